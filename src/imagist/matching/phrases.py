"""Phrase tables: lists of phrases from which those that fit an image are chosen.

A *role* says what a phrase is for. The roles are those of clip-interrogator, whose tables are read as they are: a
folder with ``artists.txt``, ``flavors.txt``, ``mediums.txt``, ``movements.txt`` and ``negative.txt``, a phrase a line.
Phrases of a list of one's own are flavors, which is the role of all that has no other.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

from imagist.errors import MissingExtra, UsageError
from imagist.images.unicode_text import decoded
from imagist.storage import digest_of

Role = Literal["artists", "flavors", "mediums", "movements", "trendings", "negative"]
"""What phrases are for; in this order they are merged."""

ROLES: tuple[Role, ...] = get_args(Role)
EMBEDDED = "embedded"
"""The name of the table that comes with imagist."""

INSTALLED = "clip-interrogator"
"""The name of the tables of an installed clip-interrogator."""

SHIPPED = Path(__file__).parent / "embedded_phrases.txt"
_SUFFIXES = (".txt", ".txt.gz")
_BY = ("by {}", "inspired by {}")
_SITES = (
    *("Artstation", "behance", "cg society", "cgsociety", "deviantart", "dribble", "flickr", "instagram", "pexels"),
    *("pinterest", "pixabay", "pixiv", "polycount", "reddit", "shutterstock", "tumblr", "unsplash", "zbrush central"),
)
_OF_SITES = ("{}", "trending on {}", "featured on {}", "{} contest winner")


@dataclass(frozen=True)
class PhraseTables:
    """Phrases by their role.

    Attributes:
        phrases: The phrases of each role, distinct and in order; a role without phrases is left out.

    Raises:
        UsageError: There is no phrase.
    """

    phrases: Mapping[Role, tuple[str, ...]]

    def __post_init__(self) -> None:
        if not any(self.phrases.values()):
            raise UsageError("there is no phrase in the tables", remedy="name a table with a phrase a line")

    @cached_property
    def id(self) -> str:
        """Changes with any phrase and its role."""
        return digest_of({role: list(phrases) for role, phrases in self.phrases.items()})[:8]

    def of(self, role: Role) -> tuple[str, ...]:
        """The phrases of a role; none where it has none."""
        return self.phrases.get(role, ())

    def __len__(self) -> int:
        return sum(map(len, self.phrases.values()))


def open_tables(names: Sequence[str | os.PathLike[str]] = (EMBEDDED,)) -> PhraseTables:
    """Reads phrase tables and merges them by role.

    Args:
        names: Of each table ``embedded``; ``clip-interrogator`` for the tables of the installed package; a ``.txt`` or
            ``.txt.gz`` file with a phrase a line; or a folder of such files, whose names are roles. Files of other
            names are flavors. Blank lines and phrases that a role has already are left out.

    Raises:
        UsageError: No such table, or no phrase in it.
        MissingExtra: clip-interrogator is not installed.
    """
    found: dict[Role, dict[str, None]] = {role: {} for role in ROLES}
    for name in names:
        for role, phrases in _read(name):
            found[role] |= dict.fromkeys(phrases)
    return PhraseTables({role: tuple(phrases) for role, phrases in found.items() if phrases})


def _read(name: str | os.PathLike[str]) -> Iterable[tuple[Role, Iterable[str]]]:
    """The phrases of one table, each list with its role."""
    path = Path(name)
    if path.is_dir():
        yield from _folder(path)
    elif path.name.endswith(_SUFFIXES):
        yield "flavors", _lines(path)
    elif os.fspath(name) == EMBEDDED:
        yield "flavors", _lines(SHIPPED)
    elif os.fspath(name) == INSTALLED:
        yield from _folder(_installed())
    else:
        raise UsageError(
            "no such phrase table",
            item=os.fspath(name),
            remedy=f"{EMBEDDED}, {INSTALLED}, a .txt with a phrase a line, or a folder of such files",
        )


def _folder(folder: Path) -> Iterable[tuple[Role, Iterable[str]]]:
    """The tables of a folder; artists and the sites of clip-interrogator as it words them."""
    files = sorted(file for file in folder.iterdir() if file.name.endswith(_SUFFIXES))
    if not files:
        raise UsageError("the folder has no .txt with phrases", item=str(folder))
    names = {file.name.split(".")[0]: file for file in files}
    roles: dict[str, Role] = {role: role for role in ROLES}
    for name, file in names.items():
        lines = _lines(file)
        if name == "artists":
            lines = [how.format(artist) for how in _BY for artist in lines]
        yield roles.get(name, "flavors"), lines
    if {"artists", "flavors"} <= {*names} and "trendings" not in names:
        yield "trendings", [how.format(site) for how in _OF_SITES for site in _SITES]


def _installed() -> Path:
    """The tables of the installed clip-interrogator, which is not imported."""
    spec = find_spec("clip_interrogator")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (folder := Path(place) / "data").is_dir():
            return folder
    raise MissingExtra(
        "its tables are not installed",
        item=INSTALLED,
        remedy="pip install --no-deps clip-interrogator, or name a folder with its tables",
    )


def _lines(path: Path) -> list[str]:
    """The phrases of a file, without blank lines; white space within a phrase becomes single spaces."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            text = decoded(file.read())
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"cannot be read: {error}", item=str(path)) from error
    except ValueError as error:
        raise UsageError(str(error), item=str(path), remedy="save it as UTF-8") from error
    return [phrase for line in text.split("\n") if (phrase := " ".join(line.split()))]
