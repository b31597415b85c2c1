"""A model folder: ``card.toml``, ONNX graphs and word lists, each file checked against the sha256 on the card.

name = "embedded"
description = "..."
[files]
"encoder.onnx" = "<sha256>"
[captioner]            # which part of the registry reads it, and its settings
kind = "attention"
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagist.errors import BundleError, BundleNotFound, BundleTampered

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

SHIPPED = Path(__file__).parent / "models"
CARD = "card.toml"
MODEL_CARD = "MODEL_CARD.md"


@dataclass(frozen=True)
class Bundle:
    """An opened model folder.

    Attributes:
        folder: Where it lies.
        card: ``card.toml`` as a mapping.
    """

    folder: Path
    card: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What the card calls it."""
        return str(self.card["name"])

    @property
    def description(self) -> str:
        """One line on what it is."""
        return str(self.card.get("description", ""))

    @property
    def version(self) -> str:
        """Eight hex digits that change with any of its files."""
        return hashlib.sha256("".join(sorted(self.card["files"].values())).encode()).hexdigest()[:8]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum((self.folder / name).stat().st_size for name in self.card["files"])

    def read(self, name: str) -> bytes:
        """The content of one of its files.

        Raises:
            BundleError: The card does not name the file, or the file is gone.
            BundleTampered: The content is not what the card says.
        """
        path = self.folder / name
        expected = self.card["files"].get(name)
        if expected is None:
            raise BundleError(f"the card does not name {name}", item=str(self.folder), remedy="install the model anew")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BundleError(f"cannot be read: {error}", item=str(path), remedy="install the model anew") from error
        if hashlib.sha256(content).hexdigest() != expected:
            raise BundleTampered(
                "is not the file that the model's card describes (sha256 differs)",
                item=str(path),
                remedy="install the model anew, or from a source that you trust",
            )
        return content

    def lines(self, name: str) -> tuple[str, ...]:
        """The lines of one of its word lists."""
        return tuple(self.read(name).decode("utf-8").splitlines())

    def session(self, name: str, threads: int = 1) -> InferenceSession:
        """One of its ONNX graphs, ready to run on the CPU.

        Args:
            name: The file.
            threads: Threads within one run; several runs may go on at once in threads of the caller's.
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
        except Exception as error:  # onnxruntime's own errors share no root but Exception
            raise BundleError(f"onnxruntime refuses it: {error}", item=str(self.folder / name)) from error


def open_bundle(name: str | os.PathLike[str]) -> Bundle:
    """Opens a model that ships with imagist, by name, or any model folder, by path.

    Raises:
        BundleNotFound: Neither a shipped name nor a folder with a card.
        BundleError: The card cannot be understood.
    """
    folder = Path(name)
    if not (folder / CARD).is_file():
        folder = SHIPPED / str(name)
    if not (folder / CARD).is_file():
        shipped = ", ".join(bundle.name for bundle in list_bundles()) or "none is installed"
        raise BundleNotFound("no model of that name or folder", item=str(name), remedy=f"shipped: {shipped}")
    try:
        card = tomllib.loads((folder / CARD).read_text("utf-8"))
        if not isinstance(card["name"], str) or not isinstance(card["files"], dict):
            raise TypeError("name or files are not what they should be")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"the card cannot be understood: {error!r}", item=str(folder / CARD)) from error
    return Bundle(folder, _Card(card))


class _Card(dict[str, Any]):
    """A table of a card: what it lacks is the model's fault, not the caller's."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        super().__init__({key: _Card(value) if isinstance(value, dict) else value for key, value in table.items()})

    def __missing__(self, key: str) -> Any:
        raise BundleError(f"the model's card lacks {key!r}", item=CARD, remedy="install the model anew")


def list_bundles() -> Iterator[Bundle]:
    """The models that ship with imagist, by name."""
    for card in sorted(SHIPPED.glob(f"*/{CARD}")):
        yield open_bundle(card.parent)
