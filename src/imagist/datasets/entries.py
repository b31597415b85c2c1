"""What data sets hold: captioned images, labelled images, and the entries of their files that these are made from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imagist.images.addresses import is_url


@dataclass(frozen=True)
class Record:
    """One image and the captions that people wrote for it.

    Attributes:
        image: Its path or name, as the user would name it.
        captions: The sentences in the file's main language and order, one or more where ``check`` finds no fault; runs
            of white space are one space.
        split: Such as ``train``; None where neither the file nor its reader names one.
        content: The encoded image where the file holds it; None where it is to be read from ``image``.
        translations: Sentences in other languages by ISO 639-1 code; a language the image has none in is absent.
    """

    image: str
    captions: tuple[str, ...]
    split: str | None = None
    content: bytes | None = field(default=None, repr=False)
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Example:
    """One image and its class.

    Attributes:
        image: Its path, address or name.
        label: Its class, as the file spells it or as a taxonomy maps it.
        content: The encoded image where the file holds it; None where it is to be read from ``image``.
        split: Such as ``train``; None where neither the file nor its reader names one.
        caption: The file's caption of the image, if any.
        account: Who posted it, where the file has that.
        weight: How much it counts when classifiers are fitted, > 0, relative to the others.
    """

    image: str
    label: str
    content: bytes | None = field(default=None, repr=False)
    split: str | None = None
    caption: str | None = None
    account: str | None = None
    weight: float = 1.0


@dataclass(frozen=True)
class Entry:
    """One row of a file, before rows of one image are joined.

    Attributes:
        place: Where it is in the file, such as ``line 7``.
        image: As the file spells it; empty where it holds an image without a name.
        captions: As ``Record``.
        split: As ``Record``.
        content: As ``Record``.
        translations: As ``Record``.
        label: As ``Example``; empty where the row has none.
        account: As ``Example``.
        weight: As ``Example``.
        whole: The row has all captions of the image; False for one sentence of several.
        held: The file holds the image itself, whether or not ``content`` was asked for.
    """

    place: str
    image: str
    captions: tuple[str, ...] = ()
    split: str | None = None
    content: bytes | None = field(default=None, repr=False)
    translations: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    label: str = ""
    account: str | None = None
    weight: float = 1.0
    whole: bool = True
    held: bool = False

    def located(self, path: str | Path, images: str | Path | None) -> str:
        """The name of the image.

        Args:
            path: Of the entry's file.
            images: The folder of the images; where it is None they may lie next to the file.

        Returns:
            The address; or the path, in ``images`` where that is given, else next to the file where it exists; else
            the name that the row gives, or the entry's ``address``.
        """
        image = self.image or self.address(path)
        if self.held or is_url(image):
            return image
        folder = os.path.dirname(path) if images is None else images  # noqa: PTH120
        located = os.path.join(folder, image)  # noqa: PTH118  (a Path would drop a leading "./")
        return located if images is not None or os.path.isfile(located) else image  # noqa: PTH113

    def address(self, path: str | Path) -> str:
        """The file and the row in it, such as ``a.parquet#7``."""
        return f"{path}#{self.place.split()[-1]}"


def one_line(text: str) -> str:
    """A sentence with every run of white space, line ends too, as one space, and none around it."""
    return " ".join(text.split())
