"""Which columns of a table say what."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagist.errors import DataError

# What people call the columns, in lower case without spaces and punctuation, best first.
FILES = ("imagename", "imagepath", "imagefile", "filename", "filepath", "file", "path", "imageid", "imgid", "cocoid")
IMAGES = ("image", "img", "picture", "photo", *FILES, "id", "imageurl", "url")
CAPTIONS = ("captions", "caption", "sentences", "sentence", "comments", "comment", "text", "raw")
_NUMBERED = re.compile(r"(caption|sentence|comment)s?\d+")


@dataclass(frozen=True)
class Columns:
    """The columns of a table that are read.

    Attributes:
        image: Names or holds the image.
        captions: One column of sentences, or several of one each (``caption_0``, ``caption_1``, ...).
        name: Names an image whose bytes stand in ``image`` without a path, where there is such a column.
        split: Where there is such a column.
        languages: The columns of the languages asked for, which are named by their codes.
        held: ``image`` holds encoded images.
    """

    image: str
    captions: tuple[str, ...]
    name: str | None = None
    split: str | None = None
    languages: tuple[str, ...] = ()
    held: bool = False


def choose(names: Sequence[str], languages: Sequence[str], item: str, holding: Sequence[str] = ()) -> Columns:
    """Finds the columns by their names.

    Args:
        names: All the table has.
        languages: Codes of the translations asked for.
        item: The file, for errors.
        holding: Those that can hold encoded images.

    Raises:
        DataError: No column of images or of captions, or none of a language; the message lists those there are.
    """
    plain = plain_names(names)
    image = first_known(IMAGES, plain)
    caption = first_known(CAPTIONS, plain)
    numbered = sorted((each for each in plain if _NUMBERED.fullmatch(each)), key=lambda each: (len(each), each))
    captions = (caption,) if caption else tuple(plain[each] for each in numbered)
    missing = [f"column of {what}" for what, found in (("images", image), ("captions", captions)) if not found]
    missing += [f"column {language!r}" for language in languages if language not in names]
    if image is None or missing:
        remedy = "the first line, or the schema, names the columns: image, caption or captions, split, de, fr, ..."
        raise lacking(missing, names, item, remedy)
    name = naming(image, plain, holding)
    return Columns(image, captions, name, plain.get("split"), tuple(languages), image in holding)


def plain_names(names: Sequence[str]) -> dict[str, str]:
    """``{name in lower case without spaces and punctuation: name}``; of those alike then the first counts."""
    return {re.sub(r"[\W_]+", "", name).lower(): name for name in reversed(names)}


def first_known(known: Sequence[str], plain: Mapping[str, str]) -> str | None:
    """The best of the known names that there is, as the table spells it."""
    return next((plain[each] for each in known if each in plain), None)


def naming(image: str, plain: Mapping[str, str], holding: Sequence[str]) -> str | None:
    """The column that names the images whose bytes another column holds; None where no bytes, or no names, are held.

    Args:
        image: The column of images.
        plain: All names, as ``plain_names`` gives them.
        holding: The columns that can hold encoded images.
    """
    files = [plain[each] for each in FILES if each in plain and plain[each] not in holding]
    return files[0] if image in holding and files else None


def lacking(missing: Sequence[str], names: Sequence[str], item: str, remedy: str) -> DataError:
    """The error of a table that lacks columns, such as ``column of images``; it lists those there are."""
    there = ", ".join(map(repr, names)) or "none"
    return DataError(f"no {' and no '.join(missing)}; it has {there}", item=item, remedy=remedy)
