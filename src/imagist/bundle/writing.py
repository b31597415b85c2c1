"""Writes parts and models, each whole or not at all, and names their contents."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from imagist.arrays import AnyArray
from imagist.bundle.folders import CARD, Folder, open_folder
from imagist.bundle.models import Bundle, open_bundle
from imagist.errors import OutputError
from imagist.storage import atomic_folder, sha256_of


def check_target(folder: Path, *, overwrite: bool = True) -> None:
    """Makes sure that a model or a part may be written to a folder, which replaces what is there.

    Args:
        folder: Missing, empty, or a model or a part.
        overwrite: Whether a model or a part may be replaced.

    Raises:
        OutputError: It is a file, it holds something else, or it is not to be replaced.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError("is a file", item=str(folder), remedy="name a folder")
    if not any(folder.iterdir()):
        return
    if not (folder / CARD).is_file():
        raise OutputError("is a folder of something else", item=str(folder), remedy="name another folder")
    if not overwrite:
        raise OutputError("holds a model", item=str(folder), remedy="name another folder, or --overwrite")


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
        OutputError: The folder holds something else, or it cannot be written to.
    """
    check_target(path)
    with atomic_folder(path) as draft:
        if fill:
            fill(draft)
        for name, content in files.items():
            (draft / name.replace("__", ".")).write_bytes(content)
        written = sorted(file for file in draft.rglob("*") if file.is_file())
        hashes = {file.relative_to(draft).as_posix(): sha256_of(file) for file in written}
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
        OutputError: The folder holds something else, or it cannot be written to.
    """
    check_target(Path(folder))
    with atomic_folder(Path(folder)) as draft:
        for name, write in parts.items():
            write(draft / name)
        versions = {name: open_folder(draft / name).version for name in parts}
        _write_card(draft, {**card, "parts": versions})
    return open_bundle(folder)


def add_part(bundle: Bundle, name: str, folder: Folder) -> Bundle:
    """Writes a model anew with one more part, or another one in the place of its own.

    Args:
        bundle: The model, which is replaced; files beside its parts, such as a model card, are left out.
        name: A key of `PARTS`.
        folder: The part.

    Raises:
        BundleTampered: A file differs from its card.
        OutputError: The folder cannot be written to.
    """
    writers = {each: copy_part(open_folder(bundle.path / each)) for each in bundle.card["parts"]}
    card = {key: value for key, value in bundle.card.items() if key != "parts"}
    return write_bundle(bundle.path, card, {**writers, name: copy_part(folder)})


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


def npz(**arrays: AnyArray) -> bytes:
    """Arrays as the content of an ``.npz`` file."""
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def _write_card(path: Path, table: Mapping[str, Any]) -> None:
    from imagist import settings

    (path / CARD).write_text(settings.to_toml(table), "utf-8")
