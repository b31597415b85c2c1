"""The texts and JSON beside the images of an archive, and which image each belongs to.

A sidecar ends in ``.json``, ``.txt`` or ``.cls``. It belongs to the images whose name is, without that ending,

- its own up to the first dot, as in WebDataset: ``x.txt`` to ``x.jpg``, and to both ``x.left.jpg`` and ``x.right.jpg``;
- its own up to the last dot: ``a.b.txt`` to ``a.b.jpg``;
- its own as a whole: ``c.jpg.json`` to ``c.jpg``.

What belongs to no image by that, ``x.meta.json`` beside ``x.jpg``, is a part of the sample ``x``, as WebDataset has it.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from imagist.errors import ItemError, ManifestError
from imagist.images.archives import Member
from imagist.images.unicode_text import decoded
from imagist.records import Row

LARGEST_SIDECAR = 1 << 20
"""Bytes of a sidecar that is read."""

_DIGITS = 19  # fewer fit 64 bits
_KINDS = ("json", "txt", "cls")


@dataclass(frozen=True)
class Sidecar:
    """A text or a JSON value of an archive.

    Attributes:
        name: Its path in the archive.
        stem: The same without its ending.
        kind: The ending: ``json``, ``txt`` or ``cls``.
        value: What it holds: JSON, where it can be parsed; the text; the number of a class.
        error: Why it cannot be read; None where it can.
    """

    name: str
    stem: str
    kind: str
    value: object = None
    error: ManifestError | None = None

    def columns(self, part: str = "") -> Mapping[str, object]:
        """Its columns: the values of a JSON object, else one column with the name of its kind.

        Args:
            part: The name between the key of a sample and the ending, which begins the name of the one column then.
        """
        if part:
            return {f"{part}.{self.kind}": self.value}
        return self.value if isinstance(self.value, dict) else {self.kind: self.value}


@dataclass
class Sample:
    """Members that follow each other and share their key: a path up to the first dot of its name.

    Attributes:
        key: That path.
        is_part: Whether members before or after it share the key as well.
        images: By their paths in the archive.
        sidecars: In their order.
        others: The paths of other files, such as a video, whose sidecars these may be.
    """

    key: str
    is_part: bool = False
    images: list[tuple[str, Row]] = field(default_factory=list)
    sidecars: list[Sidecar] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images) + len(self.sidecars) + len(self.others)

    def parts(self, image: str) -> list[Sidecar]:
        """Sidecars of the sample that belong to no image by name, where the image is the sample's own."""
        if _stem(image) != self.key:
            return []
        taken = {stem for name, _ in self.images for stem in stems(name)}
        return [each for each in self.sidecars if each.stem not in taken]

    def apart(self) -> list[Sidecar]:
        """Sidecars that may belong to an image elsewhere in the archive."""
        taken = {stem for name, _ in self.images for stem in stems(name)}
        if any(_stem(name) == self.key for name, _ in self.images):
            taken |= {each.stem for each in self.sidecars}
        return [each for each in self.sidecars if each.stem not in taken or (self.is_part and each.stem == self.key)]

    def rows(self, apart: Mapping[str, list[Sidecar]]) -> Iterator[Row]:
        """The rows of the images, with their columns; an image with a sidecar that cannot be read has its error.

        Args:
            apart: Sidecars elsewhere in the archive, by their stems.
        """
        for name, row in self.images:
            own = [each for each in self.sidecars if each.stem in stems(name)]
            far = [each for stem in stems(name) for each in apart.get(stem, ()) if each not in own]
            found = [each.columns() for each in (*far, *own) if each.error is None]
            parts = self.parts(name)
            found += [each.columns(each.stem[len(self.key) + 1 :]) for each in parts if each.error is None]
            error = row.error or next((each.error for each in (*far, *own, *parts) if each.error), None)
            yield Row(row.source, None if error else row.content, _merged(found), error)


def key_of(name: str) -> str:
    """The key of a member, such as ``folder/x`` of ``./folder/x.left.jpg``."""
    folder, slash, file = posixpath.normpath(name).rpartition("/")
    return folder + slash + file.partition(".")[0]


def stems(image: str) -> dict[str, None]:
    """The paths that sidecars of an image have without their ending."""
    return dict.fromkeys((key_of(image), _stem(image), posixpath.normpath(image)))


def is_sidecar(name: str) -> bool:
    """Whether a member is one by its ending, in any case."""
    return "." in posixpath.basename(name) and _kind(name) in _KINDS


def read_sidecar(member: Member, archive: str) -> Sidecar:
    """Reads a sidecar.

    Args:
        member: Of the archive.
        archive: Its name, for errors.
    """
    kind = _kind(member.name)
    try:
        content = member.read(LARGEST_SIDECAR + 1)
        if len(content) > LARGEST_SIDECAR:
            raise ValueError(f"it has more than {LARGEST_SIDECAR:,} bytes")
        text = decoded(content)
    except (ItemError, ValueError) as error:
        problem = error.message if isinstance(error, ItemError) else str(error)
        wrong = ManifestError(
            f"a text beside the image cannot be read: {problem}",
            item=f"{archive}#{member.name}",
            remedy=f"{'save it as UTF-8' if 'UTF' in problem else 'mend it'}, and pack the archive again",
        )
        return Sidecar(member.name, _stem(member.name), kind, error=wrong)
    return Sidecar(member.name, _stem(member.name), kind, _value(text, kind))


def _value(text: str, kind: str) -> object:
    stripped = text.strip()
    if kind == "json":
        try:
            return json.loads(stripped, object_pairs_hook=lambda pairs: _merged({name: value} for name, value in pairs))
        except (ValueError, RecursionError):
            return stripped
    return int(stripped) if kind == "cls" and len(stripped) < _DIGITS and stripped.isdecimal() else stripped


def _kind(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _stem(name: str) -> str:
    return posixpath.splitext(posixpath.normpath(name))[0]


def _merged(columns: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """All columns; of a name that is given with several values the later ones become ``name.1``, ..."""
    found: dict[str, object] = {}
    for name, value in (each for one in columns for each in one.items()):
        unique, number = name, 0
        while unique in found and found[unique] != value:
            number += 1
            unique = f"{name}.{number}"
        found[unique] = value
    return found
