"""The content words of a caption and its phrases, and the caption without some of them.

Shapes: T words of the caption; n content words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from imagist.captioning.description.english import is_content
from imagist.records import Caption


def words_of(caption: Caption) -> tuple[str, ...]:
    """Its T words."""
    return caption.tokens or tuple(caption.text.split())


def content_words(caption: Caption) -> dict[str, tuple[int, ...]]:
    """The n content words in order, each with its positions, from 0; upper and lower case are the same word.

    In languages other than English, function words count as well. Of a caption with phrases each phrase counts as one
    word, with the positions of all its words.
    """
    found: dict[str, tuple[int, ...]] = {}
    names: dict[str, str] = {}
    for word, places in _units(caption):
        name = names.setdefault(word.lower(), word)
        found[name] = (*found.get(name, ()), *places)
    return found


def without(caption: Caption, positions: Collection[int]) -> str:
    """The caption without the words at these positions."""
    text = " ".join(word for place, word in enumerate(words_of(caption)) if place not in positions)
    return text.removesuffix(",") if caption.phrases else text


def _units(caption: Caption) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The content words of the sentence and the phrases, in order, each with its positions."""
    words = words_of(caption)
    place = len(words) - sum(len(phrase.text.split()) for phrase in caption.phrases)
    for number, word in enumerate(words[:place]):
        plain = word.rstrip(",") if caption.phrases else word
        if is_content(plain):
            yield plain, (number,)
    for phrase in caption.phrases:
        length = len(phrase.text.split())
        yield phrase.text, tuple(range(place, place + length))
        place += length
