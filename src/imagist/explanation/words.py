"""The words of a caption that say something, and the caption without some of them.

Shapes: T words of the caption; n content words.
"""

from __future__ import annotations

from collections.abc import Collection

from imagist.captioning.description.english import is_content
from imagist.records import Caption


def spoken(caption: Caption) -> tuple[str, ...]:
    """Its T words."""
    return caption.tokens or tuple(caption.text.split())


def content_words(caption: Caption) -> dict[str, tuple[int, ...]]:
    """The n content words as they come, each with its places, from 0; upper and lower case are the same word.

    In a language other than English, words that are there for grammar alone count, too.
    """
    found: dict[str, tuple[int, ...]] = {}
    names: dict[str, str] = {}
    for place, word in enumerate(spoken(caption)):
        if is_content(word):
            name = names.setdefault(word.lower(), word)
            found[name] = (*found.get(name, ()), place)
    return found


def without(caption: Caption, positions: Collection[int]) -> str:
    """The caption with the words at those places left out."""
    return " ".join(word for place, word in enumerate(spoken(caption)) if place not in positions)
