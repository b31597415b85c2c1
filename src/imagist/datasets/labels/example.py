"""A labelled image, as it is handed on and as a file gives it."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagist.datasets.captions.record import Entry


@dataclass(frozen=True)
class Example:
    """One image and the class it is of.

    Attributes:
        image: Its path, address or name.
        label: Its class, as the file spells it or as a taxonomy maps it.
        content: The encoded image where the file holds it; None where it is to be read from ``image``.
        split: Such as ``train``; None where neither the file nor the reader of it says.
        caption: What the file says of it in words, if anything.
        account: Whose post it is, where the file says so.
    """

    image: str
    label: str
    content: bytes | None = field(default=None, repr=False)
    split: str | None = None
    caption: str | None = None
    account: str | None = None


@dataclass(frozen=True)
class Labelled(Entry):
    """What one row of a file says.

    Attributes:
        label: As ``Example``; empty where the row has none.
        account: As ``Example``.
    """

    label: str = ""
    account: str | None = None
