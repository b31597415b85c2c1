"""The content words of a caption, and the caption without some of them.

Shapes: T words of the caption; n content words.
"""

from __future__ import annotations

from collections.abc import Collection

from imagist.captioning.description.english import is_content
from imagist.records import Caption


def words_of(caption: Caption) -> tuple[str, ...]:
    """Its T words."""
    return caption.tokens or tuple(caption.text.split())


def content_words(caption: Caption) -> dict[str, tuple[int, ...]]:
    """The n content words in order, each with its positions, from 0; upper and lower case are the same word.

    In languages other than English, function words count as well.
    """
    found: dict[str, tuple[int, ...]] = {}
    names: dict[str, str] = {}
    for place, word in enumerate(words_of(caption)):
        if is_content(word):
            name = names.setdefault(word.lower(), word)
            found[name] = (*found.get(name, ()), place)
    return found


def without(caption: Caption, positions: Collection[int]) -> str:
    """The caption without the words at these positions."""
    return " ".join(word for place, word in enumerate(words_of(caption)) if place not in positions)
