"""Which columns of a table hold what: the columns that a user names, and others by the names that people give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from imagist.images.tables.table import plain

# Names of columns as `plain` gives them, best first.
_FILES = ("imagepath", "imgpath", "photopath", "imagefile", "imagename", "filename", "filepath", "file", "path")
_ADDRESSES = (
    *("medialink", "medialinks", "mediaurl", "media", "imageurl", "imgurl"),
    *("photourl", "pictureurl", "displayurl", "url"),
)
_CONTENTS = ("image", "images", "img", "picture", "photo", "photograph", "imagebytes", "bytes")
IMAGES = (*_CONTENTS, *_FILES, *_ADDRESSES, "link", "jpg", "jpeg", "png", "webp")
_MOST_SHOWN = 20
_LONGEST_SHOWN = 60  # characters
IDS = ("imageid", "imgid", "cocoid", "id")
NAMES = (*_FILES, *IDS)
CAPTIONS = ("captions", "caption", "sentences", "sentence", "comments", "comment", "text", "tweettext", "raw")


def find(names: Sequence[str], known: Sequence[str]) -> str | None:
    """The column of the best known name, as the table spells it; of columns alike the first.

    Args:
        names: All columns.
        known: Names as `plain` gives them, best first.
    """
    spelled = {plain(name): name for name in reversed(names)}
    return next((spelled[name] for name in known if name in spelled), None)


def named(wanted: str, names: Sequence[str]) -> str | None:
    """The column that a user names, in any case where none is spelled like that; None where there is none."""
    return wanted if wanted in names else {name.lower(): name for name in reversed(names)}.get(wanted.lower())


def assign(
    names: Sequence[str], known: Mapping[str, Sequence[str]], given: Mapping[str, str]
) -> tuple[dict[str, str | None], list[str]]:
    """Finds several columns.

    Args:
        names: All columns of the table.
        known: By what a column holds, its known names, best first.
        given: By what a column holds, the column that the user names.

    Returns:
        ``{what: column or None}``, and what the user names and the table lacks, such as ``column 'wat'``.
    """
    found = {what: find(names, of) for what, of in known.items()}
    found |= {what: named(column, names) for what, column in given.items()}
    return found, [f"column {column!r}" for what, column in given.items() if found[what] is None]


def lacking(missing: Iterable[str], names: Iterable[str]) -> str:
    """The message about columns that a table lacks, such as ``column of images``; it lists up to 20 there are."""
    shown = [_shown(name) for name in names]
    rest = [f"and {len(shown) - _MOST_SHOWN:,} more"] if len(shown) > _MOST_SHOWN else []
    return f"no {' and no '.join(missing)}; it has {', '.join([*shown[:_MOST_SHOWN], *rest]) or 'none'}"


def _shown(name: str) -> str:
    """A name as a message has it: short, and without control characters."""
    printable = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in name[:_LONGEST_SHOWN])
    return printable + "..." * (len(name) > _LONGEST_SHOWN)
