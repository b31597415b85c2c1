"""A folder with a card: its kind, its settings, and files that are compared with the card when they are read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imagist import registry
from imagist.arrays import Array
from imagist.bundle.onnx import onnx_runtime
from imagist.errors import BundleError, BundleNotFound, BundleTampered, UsageError
from imagist.records import LabelSet

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CARD = "card.toml"
AGAIN = "install or save the model again"
"""The remedy for a folder that is incomplete or damaged."""


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
            raise BundleError(f"the card has no usable labels: {error}", item=str(self.path), remedy=AGAIN) from error

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
            raise BundleError(f"the card does not name {name}", item=str(self.path), remedy=AGAIN)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"cannot be read: {error}", item=str(path), remedy=AGAIN) from error
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
            raise BundleError(f"holds no arrays: {error}", item=str(self.path / name), remedy=AGAIN) from error

    def load(self, kinds: str, options: Any) -> Any:
        """The saved part itself, by the loader of its kind.

        Args:
            kinds: A key of `imagist.registry.BUILT_IN`, such as ``captioners``.
            options: What the loader takes, such as `imagist.protocols.PartOptions`.

        Raises:
            UnknownName: No part has that kind.
            BundleError: A part of it is missing or damaged.
        """
        return registry.find(kinds, self.kind)(str(self.path), options)

    def session(self, name: str, threads: int = 1, weights: Mapping[str, Array] | None = None) -> InferenceSession:
        """One of its ONNX graphs, ready to run on the CPU.

        Args:
            name: The file.
            threads: Threads within one run; several threads may call the session at once.
            weights: The weights that lie outside the graph, by name, contiguous.

        Raises:
            BundleError: The file cannot be read, or onnxruntime refuses the graph or its weights.
            BundleTampered: The file differs from what the card describes.
        """
        onnxruntime = onnx_runtime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if weights:
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(weight) for weight in weights.values()]
            options.add_external_initializers([*weights], values)
        try:
            made: InferenceSession = onnxruntime.InferenceSession(
                self.read(name), options, providers=["CPUExecutionProvider"]
            )
            return made
        except BundleError:
            raise
        except Exception as error:  # onnxruntime's own errors have no common base but Exception
            raise BundleError(f"onnxruntime refuses it: {error}", item=str(self.path / name)) from error


class _Card(dict[str, Any]):
    """A table of a card."""

    def __init__(self, table: Mapping[str, Any], path: Path) -> None:
        self._path = path
        super().__init__(
            {key: _Card(value, path) if isinstance(value, dict) else value for key, value in table.items()}
        )

    def __missing__(self, key: str) -> Any:
        raise BundleError(f"the card lacks {key!r}", item=str(self._path), remedy=AGAIN)


def open_folder(path: str | os.PathLike[str]) -> Folder:
    """Opens the folder of a part.

    Raises:
        BundleNotFound: There is no card.
        BundleError: The card cannot be understood.
    """
    path = Path(path)
    if not (path / CARD).is_file():
        raise BundleNotFound(f"has no {CARD}", item=str(path), remedy="name the folder of a saved part")
    return Folder(path, read_card(path / CARD))


def read_card(path: Path) -> Mapping[str, Any]:
    """The table of a card.

    Raises:
        BundleError: It cannot be read.
    """
    try:
        return _Card(tomllib.loads(path.read_text("utf-8")), path)
    except (OSError, ValueError) as error:
        raise BundleError(f"the card cannot be understood: {error}", item=str(path), remedy=AGAIN) from error
