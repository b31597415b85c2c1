"""What columns, or names of files, say of an image: its account, its post, and its time; text, likes, label."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath

from imagist.datasets.columns import KNOWN
from imagist.errors import UsageError
from imagist.images.addresses import is_data, is_url
from imagist.images.tables import columns
from imagist.images.tables.cells import label

# Names of columns as `imagist.images.tables.table.plain` gives them, best first.
ACCOUNTS = (
    *("account", "username", "owner", "user", "author", "profile", "accountname", "ownerusername", "screenname"),
    *("handle", "accountid", "ownerid", "userid", "authorid"),
)
POST = "post"
POSTS = ("postid", POST, "shortcode", "mediaid", "tweetid", "statusid")
DATES = (
    *("date", "datetime", "timestamp", "takenat", "createdat", "postedat", "publishedat"),
    *("created", "posted", "time"),
)
TEXTS = ("posttext", "text", "tweettext", "caption", "postcaption", "description", "title", "message", "body")
LIKES = ("likes", "likecount", "likescount", "numlikes", "favoritecount", "favourites", "favorites", "hearts")

_NUMBER = re.compile(r"_\d{1,2}$")  # of an image in a carousel, as instaloader names them
_NUMBERED = re.compile(r"(#\d+)\.\d+$")  # of an image in a cell with several
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)_(\d\d)-(\d\d)-(\d\d)_UTC")
_MILLISECONDS = 1e11  # numbers over this are milliseconds: as seconds they are after the year 5000


def account_column(names: Sequence[str], by: str | None) -> str | None:
    """The column of accounts: the one that a user names, or by its name; None where there is none.

    Raises:
        UsageError: There is no such column as the user names; the message lists those there are.
    """
    return _column(names, by, ACCOUNTS, "--by")


def _column(names: Sequence[str], wanted: str | None, known: Sequence[str], option: str) -> str | None:
    if wanted is None:
        return _found(tuple(names), tuple(known))
    found = columns.named(wanted, names)
    if found is None:
        raise UsageError(
            f"no column {wanted!r}",
            item=option,
            remedy=f"one of {', '.join(names)}" if names else "images without columns have their folders' names",
        )
    return found


@lru_cache(maxsize=256)
def _found(names: tuple[str, ...], known: tuple[str, ...]) -> str | None:
    """The column of the best known name; rows of a table have the same names, one after the other."""
    return columns.find(names, known)


def account_of_file(source: str, folders: Sequence[str] | None) -> str | None:
    """The account of a file: the folder in one of the sources that it is in, or that source, where it lies there.

    Args:
        source: Path of an image.
        folders: The sources; None where they are not known: then it is the folder that the file lies in.
    """
    path = PurePath(source)
    if folders is None:
        return None if is_url(source) or is_data(source) else path.parent.name or None
    for folder in folders:
        if path.is_relative_to(folder) and path != PurePath(folder):
            inner = path.relative_to(folder).parts
            return inner[0] if len(inner) > 1 else PurePath(folder).name or Path(folder).resolve().name or None
    return None


def post_of(source: str, cells: Mapping[str, object]) -> str:
    """What the post of an image is called: images of one name, in one account, are one post.

    It is the column of posts, where there is one; of files of instaloader (``2026-05-04_10-11-12_UTC_2.jpg``) the name
    without the number; of a cell with several images the row.
    """
    column = _found(tuple(cells), POSTS)
    if column is not None and cells[column] not in (None, ""):
        return str(cells[column])
    if _NUMBERED.search(source):
        return _NUMBERED.sub(r"\1", source)
    path = PurePath(source)
    if _STAMP.match(path.stem):
        return str(path.with_name(_NUMBER.sub("", path.stem)))
    return source


def time_of(source: str, cells: Mapping[str, object]) -> float:
    """When a post was made, in seconds since 1970: from a column of dates, or from instaloader's names; NaN if unknown.

    Times without a zone are in UTC.
    """
    column = _found(tuple(cells), DATES)
    if column is not None and not math.isnan(found := seconds(cells[column])):
        return found
    stamp = _STAMP.match(PurePath(source).name)
    return seconds("{}-{}-{}T{}:{}:{}".format(*stamp.groups())) if stamp else math.nan


def text_of(cells: Mapping[str, object], column: str | None) -> str:
    """The author's own text of a post; empty where there is none.

    Args:
        cells: By column.
        column: The one that a user names; found by its name where it is None.

    Raises:
        UsageError: There is no such column.
    """
    found = _column([*cells], column, TEXTS, "--text-column")
    value = cells[found] if found is not None else None
    return value.strip() if isinstance(value, str) else ""


def label_of(cells: Mapping[str, object], column: str | None) -> str:
    """The true category of a post; empty where it is not known. Arguments and errors as of `text_of`."""
    found = _column([*cells], column, KNOWN["label"], "--label-column")
    try:
        return label(cells[found], found) if found is not None else ""
    except ValueError:
        return ""


def likes_of(cells: Mapping[str, object]) -> float:
    """How many likes a post has, 0 or more; NaN where unknown."""
    column = _found(tuple(cells), LIKES)
    try:
        count = float(str(cells[column]).replace(",", "")) if column is not None else math.nan
    except ValueError:
        return math.nan
    return count if math.isfinite(count) and count >= 0 else math.nan


def seconds(value: object) -> float:
    """A cell as seconds since 1970: a date, a number of (milli)seconds, or text of either; NaN where it is none."""
    match value:
        case bool() | None:
            return math.nan
        case dt.datetime():
            return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).timestamp()
        case dt.date():
            return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC).timestamp()
        case int() | float():
            number = float(value) / (1000 if abs(value) > _MILLISECONDS else 1)
            return number if math.isfinite(number) else math.nan
        case str():
            return _parsed(value.strip())
        case _:
            return math.nan


def _parsed(text: str) -> float:
    try:
        return seconds(float(text))
    except ValueError:
        pass
    try:
        return seconds(dt.datetime.fromisoformat(text))
    except ValueError:
        return math.nan
