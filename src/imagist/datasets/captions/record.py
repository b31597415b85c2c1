"""A captioned image, as it is handed on and as a file gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Record:
    """One image and what people wrote of it.

    Attributes:
        image: Its path or name, as the user would name it.
        captions: The sentences, one or more where ``check`` has nothing to say, in the file's main language and order;
            runs of white space are one space.
        split: Such as ``train``; None where neither the file nor the reader of it says.
        content: The encoded image where the file holds it; None where it is to be read from ``image``.
        translations: Sentences in other languages by ISO 639-1 code; a language the image has none in is absent.
    """

    image: str
    captions: tuple[str, ...]
    split: str | None = None
    content: bytes | None = field(default=None, repr=False)
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Entry:
    """What one row of a file says, before rows of one image are joined.

    Attributes:
        place: Where it stands, such as ``line 7``.
        image: As the file spells it; empty where it holds an image without a name.
        captions: As ``Record``.
        split: As ``Record``.
        content: As ``Record``.
        translations: As ``Record``.
        whole: All that the file says of the image; False for one sentence of several.
        held: The file holds the image itself, whether or not ``content`` was asked for.
    """

    place: str
    image: str
    captions: tuple[str, ...]
    split: str | None = None
    content: bytes | None = field(default=None, repr=False)
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    whole: bool = True
    held: bool = False


@dataclass(frozen=True)
class Wanted:
    """What a reader is asked for besides captions.

    Attributes:
        languages: ISO 639-1 codes of the translations.
        content: Whether encoded images are read.
    """

    languages: tuple[str, ...] = ()
    content: bool = True


def one_line(text: str) -> str:
    """A sentence with every run of white space, line ends too, as one space, and none around it."""
    return " ".join(text.split())
