"""Which columns of a table name the image, its label, caption, split and account, and what one row says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from imagist.datasets.captions import columns as captioned
from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import ROW
from imagist.datasets.captions.rows import Placed, read_name, row_entry
from imagist.datasets.labels.example import Labelled
from imagist.datasets.labels.source import Columns

# What people call the columns, in lower case without spaces and punctuation, best first.
_KNOWN = {
    "image": ("image", "medialink", *captioned.IMAGES, "link"),
    "label": ("label", "classlabel", "labelname", "class", "classname", "category", "target", "finelabel"),
    "caption": (*captioned.CAPTIONS, "tweettext"),
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
    plain = captioned.plain_names(names)
    given = asked.asked()
    found = {what: given.get(what) or captioned.first_known(known, plain) for what, known in _KNOWN.items()}
    missing = [f"column {column!r}" for column in given.values() if column not in names]
    missing += [f"column of {what}s" for what in ("image", "label") if found[what] is None]
    image, label = found["image"], found["label"]
    if image is None or label is None or missing:
        remedy = "the first line, or the schema, names the columns; say which is which with columns"
        raise captioned.lacking(missing, names, item, remedy)
    entry = captioned.Columns(
        image=image,
        captions=(found["caption"],) if found["caption"] else (),
        name=captioned.naming(image, plain, holding),
        split=found["split"],
        held=image in holding,
    )
    return Found(entry, label, found["account"])


def labelled_rows(rows: Iterable[Placed], found: Found, faults: Faults) -> Iterator[Labelled]:
    """What rows say, in order, but for those at fault."""
    for place, cells in rows:
        if row := labelled(cells, found, place, faults):
            yield row


def labelled(cells: Mapping[str, object], found: Found, place: str, faults: Faults) -> Labelled | None:
    """What one row says, as ``captioned.rows.row_entry`` does; None where it is at fault."""
    entry = row_entry(cells, found.entry, place, faults)
    if entry is None:
        return None
    try:
        label = read_name(cells.get(found.label), found.label) or ""
        account = read_name(cells.get(found.account), found.account) if found.account else None
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
