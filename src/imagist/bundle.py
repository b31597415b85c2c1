"""A model on disk: a folder of parts. Every part has a folder of its own, and every folder has a card.

models/mine/
├── card.toml             name, description, measured figures, and the version of each part
├── encoder/              the network that captioner and image classifier share
├── captioner/
├── text_classifier/
├── image_classifier/
├── fusion/
└── calibration/

A part's ``card.toml`` names its kind, by which `imagist.registry` finds its loader, its settings, and the sha256 of
each of its files::

    kind = "tfidf"
    labels = ["cat", "dog"]
    [files]
    "weights.npz" = "<sha256>"

A folder is opened only if its files are those of the card. Files are ONNX, NumPy, safetensors, TOML or plain text;
nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imagist.arrays import Array
from imagist.errors import BundleError, BundleNotFound, BundleTampered, UsageError
from imagist.records import LabelSet
from imagist.storage import atomic_folder

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SHIPPED = Path(__file__).parent / "models"
CARD = "card.toml"
MODEL_CARD = "MODEL_CARD.md"
ENCODER = "encoder"
PARTS = {
    "captioner": "captioners",
    "text_classifier": "text_classifiers",
    "image_classifier": "image_classifiers",
    "fusion": "fusions",
    "calibration": "calibrations",
}
"""The folders of a model, and the registry's name for what each holds."""

_AGAIN = "install or save the model again"


@dataclass(frozen=True)
class Folder:
    """An opened folder with a card.

    Attributes:
        path: The folder.
        card: ``card.toml`` as a mapping. A key that it lacks raises `BundleError`.
    """

    path: Path
    card: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """The kind of the part, a name in `imagist.registry`."""
        return str(self.card["kind"])

    @cached_property
    def version(self) -> str:
        """Eight hexadecimal digits that change with any setting on the card and any of its files."""
        return hashlib.sha256(json.dumps(self.card, sort_keys=True, default=str).encode()).hexdigest()[:8]

    @property
    def labels(self) -> LabelSet:
        """The labels on the card of a classifier.

        Raises:
            BundleError: There are none, or they cannot be labels.
        """
        try:
            return LabelSet(tuple(self.card["labels"]))
        except (TypeError, UsageError) as error:
            raise BundleError(f"the card has no usable labels: {error}", item=str(self.path), remedy=_AGAIN) from error

    @property
    def files(self) -> Mapping[str, str]:
        """The sha256 of each file, by its name."""
        files: Mapping[str, str] = self.card.get("files", {})
        return files

    def read(self, name: str) -> bytes:
        """The content of one of its files.

        Raises:
            BundleError: The card does not name the file, or it cannot be read.
            BundleTampered: The content differs from what the card describes.
        """
        path = self.path / name
        if name not in self.files:
            raise BundleError(f"the card does not name {name}", item=str(self.path), remedy=_AGAIN)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"cannot be read: {error}", item=str(path), remedy=_AGAIN) from error
        if hashlib.sha256(content).hexdigest() != self.files[name]:
            raise BundleTampered(
                "differs from the file that the card describes (sha256)",
                item=str(path),
                remedy="install or save the model again, from a source that you trust",
            )
        return content

    def checked(self) -> Path:
        """The folder, after every file was compared with the card: for loaders that read files themselves.

        Raises:
            BundleError: A file cannot be read.
            BundleTampered: A file differs.
        """
        for name in self.files:
            self.read(name)
        return self.path

    def lines(self, name: str) -> tuple[str, ...]:
        """The lines of a text file."""
        return tuple(self.read(name).decode("utf-8").splitlines())

    def arrays(self, name: str) -> dict[str, Array]:
        """The arrays of an ``.npz`` file, by name.

        Raises:
            BundleError: It is no such file.
        """
        try:
            with np.load(io.BytesIO(self.read(name)), allow_pickle=False) as arrays:
                return {key: arrays[key] for key in arrays}
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise BundleError(f"holds no arrays: {error}", item=str(self.path / name), remedy=_AGAIN) from error

    def session(self, name: str, threads: int = 1) -> InferenceSession:
        """One of its ONNX graphs, ready to run on the CPU.

        Args:
            name: The file.
            threads: Threads within one run; several threads may call the session at once.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            return onnxruntime.InferenceSession(self.read(name), options, providers=["CPUExecutionProvider"])
        except BundleError:
            raise
        except Exception as error:  # onnxruntime's own errors have no common base but Exception
            raise BundleError(f"onnxruntime refuses it: {error}", item=str(self.path / name)) from error


@dataclass(frozen=True)
class Bundle(Folder):
    """An opened model."""

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.card["name"])

    @property
    def description(self) -> str:
        """One line about it."""
        return str(self.card.get("description", ""))

    @property
    def size(self) -> int:
        """Bytes of the files of all its parts."""
        return sum((folder.path / name).stat().st_size for folder in self.folders() for name in folder.files)

    @property
    def encoder(self) -> Folder:
        """The folder of its encoder.

        Raises:
            BundleError: It has none.
        """
        if not self.has(ENCODER):
            raise BundleError("the model has no encoder", item=self.name, remedy="choose another with --model")
        return open_folder(self.path / ENCODER)

    def folders(self) -> Iterator[Folder]:
        """Its encoders and parts."""
        yield from (open_folder(self.path / name) for name in self.card["parts"])

    def has(self, part: str) -> bool:
        """Whether it has a part, such as ``text_classifier``."""
        return part in self.card["parts"]

    def part(self, part: str) -> Folder:
        """One of its parts, a key of `PARTS`.

        Raises:
            BundleError: The model has no such part, or the part's card cannot be understood.
            BundleTampered: The part differs from the one that the model's card describes.
        """
        if not self.has(part):
            there = ", ".join(self.card["parts"])
            raise BundleError(
                f"the model has no {part.replace('_', ' ')}; it has {there}",
                item=self.name,
                remedy=f"choose one with --{part.replace('_', '-')}, or another model with --model",
            )
        folder = open_folder(self.path / part)
        if folder.version != self.card["parts"][part]:
            raise BundleTampered(
                "differs from the part that the model's card describes", item=str(folder.path), remedy=_AGAIN
            )
        return folder


class _Card(dict[str, Any]):
    """A table of a card."""

    def __init__(self, table: Mapping[str, Any], path: Path) -> None:
        self._path = path
        super().__init__(
            {key: _Card(value, path) if isinstance(value, dict) else value for key, value in table.items()}
        )

    def __missing__(self, key: str) -> Any:
        raise BundleError(f"the card lacks {key!r}", item=str(self._path), remedy=_AGAIN)


def open_folder(path: str | os.PathLike[str]) -> Folder:
    """Opens the folder of a part.

    Raises:
        BundleNotFound: There is no card.
        BundleError: The card cannot be understood.
    """
    path = Path(path)
    if not (path / CARD).is_file():
        raise BundleNotFound(f"has no {CARD}", item=str(path), remedy="name the folder of a saved part")
    return Folder(path, _read_card(path / CARD))


def open_bundle(name: str | os.PathLike[str]) -> Bundle:
    """Opens a model that ships with imagist, by name, or any model folder, by path.

    Raises:
        BundleNotFound: Neither a shipped name nor a folder with a card.
        BundleError: The card cannot be understood.
    """
    path = next((path for path in (Path(name), SHIPPED / str(name)) if (path / CARD).is_file()), None)
    if path is None:
        shipped = ", ".join(bundle.name for bundle in list_bundles()) or "none is installed"
        raise BundleNotFound("no model of that name or folder", item=str(name), remedy=f"shipped: {shipped}")
    card = _read_card(path / CARD)
    if not isinstance(card.get("name"), str) or not isinstance(card.get("parts"), dict):
        raise BundleError("the card of a model has a name and a table [parts]", item=str(path / CARD), remedy=_AGAIN)
    return Bundle(path, card)


def open_part(model: str | os.PathLike[str], part: str) -> Folder:
    """A part, from its own folder or from a model.

    Args:
        model: The folder of the part, or a model by its name or folder.
        part: A key of `PARTS`.

    Raises:
        BundleError: There is no such part.
    """
    if (Path(model) / CARD).is_file():
        folder = open_folder(model)
        if "kind" in folder.card:
            return folder
    return open_bundle(model).part(part)


def list_bundles() -> Iterator[Bundle]:
    """The models that ship with imagist, by name."""
    for card in sorted(SHIPPED.glob(f"*/{CARD}")):
        yield open_bundle(card.parent)


def is_bundle(path: str | os.PathLike[str]) -> bool:
    """Whether there is a model of that name or folder."""
    try:
        open_bundle(path)
    except BundleError:
        return False
    return True


def write_part(
    path: Path,
    kind: str,
    card: Mapping[str, Any] | None = None,
    fill: Callable[[Path], object] | None = None,
    **files: bytes,
) -> None:
    """Writes the folder of a part, whole or not at all; one that is there is replaced.

    Args:
        path: The folder.
        kind: A name in `imagist.registry`.
        card: Settings, which TOML can hold.
        fill: Writes further files into the folder that it is given.
        files: Files by name, ``__`` in place of the dot, such as ``weights__npz``.

    Raises:
        OutputError: The folder cannot be written to.
    """
    with atomic_folder(path) as draft:
        if fill:
            fill(draft)
        for name, content in files.items():
            (draft / name.replace("__", ".")).write_bytes(content)
        written = sorted(file for file in draft.rglob("*") if file.is_file())
        hashes = {file.relative_to(draft).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in written}
        _write_card(draft, {"kind": kind, **(card or {}), **({"files": hashes} if hashes else {})})


def write_bundle(
    folder: str | os.PathLike[str], card: Mapping[str, Any], parts: Mapping[str, Callable[[Path], object]]
) -> Bundle:
    """Writes a model, whole or not at all; one that is there is replaced.

    Args:
        folder: Of the model.
        card: ``name``, ``description`` and whatever else belongs on the model's card.
        parts: Writes each part into the folder that it is given; a key of `PARTS`, or ``encoder``.

    Raises:
        OutputError: The folder cannot be written to.
    """
    with atomic_folder(Path(folder)) as draft:
        for name, write in parts.items():
            write(draft / name)
        versions = {name: open_folder(draft / name).version for name in parts}
        _write_card(draft, {**card, "parts": versions})
    return open_bundle(folder)


def copy_part(folder: Folder) -> Callable[[Path], None]:
    """Writes a part as it is, after a check of its files; for `write_bundle`.

    Raises:
        BundleTampered: A file differs from the card.
    """

    def write(path: Path) -> None:
        source = folder.checked()
        with atomic_folder(path) as draft:
            shutil.copytree(source, draft, dirs_exist_ok=True)

    return write


def fingerprint(*contents: object) -> str:
    """Eight hexadecimal digits for the ``id`` of a part: arrays count by their bytes, all else by its repr."""
    digest = hashlib.sha256()
    for content in contents:
        if isinstance(content, np.ndarray):
            digest.update(f"{content.dtype}{content.shape}".encode())
            digest.update(np.ascontiguousarray(content).data)
        else:
            digest.update(repr(content).encode())
    return digest.hexdigest()[:8]


def npz(**arrays: Array) -> bytes:
    """Arrays as the content of an ``.npz`` file."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def _write_card(path: Path, table: Mapping[str, Any]) -> None:
    from imagist import settings

    (path / CARD).write_text(settings.to_toml(table), "utf-8")


def _read_card(path: Path) -> Mapping[str, Any]:
    try:
        return _Card(tomllib.loads(path.read_text("utf-8")), path)
    except (OSError, ValueError) as error:
        raise BundleError(f"the card cannot be understood: {error}", item=str(path), remedy=_AGAIN) from error
