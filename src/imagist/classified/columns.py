"""Which columns of a table name the picture, its label, caption, split and account, and what one row says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagist.captioned import columns as captioned
from imagist.captioned.faults import Faults
from imagist.captioned.lines import ROW
from imagist.classified.example import Labelled
from imagist.classified.source import Columns
from imagist.errors import DataError

# What people call the columns, in lower case without spaces and punctuation, best first.
_KNOWN = {
    "image": ("image", "medialink", *captioned._IMAGES, "link"),
    "label": ("label", "classlabel", "labelname", "class", "classname", "category", "target", "finelabel"),
    "caption": (*captioned._CAPTIONS, "tweettext"),
    "split": ("split",),
    "account": ("account", "username", "user", "userid", "owner", "ownerusername", "author", "screenname", "profile"),
}


@dataclass(frozen=True)
class Found:
    """The columns of a table that are read.

    Attributes:
        entry: Those that a captioned table has as well.
        label: Holds the class.
        account: Whose post it is, where there is such a column.
        names: Of labels that are numbers, in order; empty where labels are taken as they are.
    """

    entry: captioned.Columns
    label: str
    account: str | None = None
    names: tuple[str, ...] = ()


def find(names: Sequence[str], asked: Columns, item: str, holding: Sequence[str] = ()) -> Found:
    """Takes the columns asked for and finds the others by their names.

    Args:
        names: All the table has.
        asked: Those given.
        item: The file, for errors.
        holding: Those that can hold encoded images.

    Raises:
        DataError: Columns asked for that are not there, or none of images or labels; the message lists those there are.
    """
    plain = {re.sub(r"[\W_]+", "", name).lower(): name for name in reversed(names)}
    given = asked.asked()
    found = {what: given.get(what) or captioned._first(known, plain) for what, known in _KNOWN.items()}
    missing = [f"column {column!r}" for column in given.values() if column not in names]
    missing += [f"column of {what}s" for what in ("image", "label") if found[what] is None]
    image, label = found["image"], found["label"]
    if image is None or label is None or missing:
        raise DataError(
            f"no {' and no '.join(missing)}; it has {', '.join(map(repr, names)) or 'none'}",
            item=item,
            remedy="the first line, or the schema, names the columns; say which is which with columns",
        )
    files = [plain[each] for each in captioned._FILES if each in plain and plain[each] not in holding]
    entry = captioned.Columns(
        image=image,
        captions=(found["caption"],) if found["caption"] else (),
        name=files[0] if image in holding and files else None,
        split=found["split"],
        held=image in holding,
    )
    return Found(entry, label, found["account"])


def labelled(cells: Mapping[str, object], found: Found, place: str, faults: Faults) -> Labelled | None:
    """What one row says.

    Args:
        cells: By column; what is not there is None.
        found: Which say what.
        place: Of the row in its file, such as ``line 7``.
        faults: Gets what cannot be understood.

    Returns:
        The row; None where it is at fault.
    """
    entry = captioned.row_entry(cells, found.entry, place, faults)
    if entry is None:
        return None
    try:
        label = captioned._name(cells.get(found.label), found.label) or ""
        account = captioned._name(cells.get(found.account), found.account) if found.account else None
        named = name_of(label, found.names) if found.names and label else label
    except ValueError as error:
        faults.add(ROW, f"{place}: {error}")
        return None
    return Labelled(**vars(entry), label=named, account=account)


def name_of(label: str, names: Sequence[str]) -> str:
    """The name of a label that is a number.

    Raises:
        ValueError: It is none, or one without a name.
    """
    if not (label.isascii() and label.isdigit() and int(label) < len(names)):
        raise ValueError(f"label {label} is not a number from 0 to {len(names) - 1}, and so has no name")
    return names[int(label)]
