"""Files that are written whole or not at all, and digests of files and of values."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np

from imagist.errors import OutputError


def cache_folder(name: str) -> Path:
    """The folder of a cache that all runs of a user share; it need not exist.

    It lies in ``IMAGIST_CACHE``, else in the user's cache folder.

    Args:
        name: Of the cache, such as ``phrases``.
    """
    if own := os.environ.get("IMAGIST_CACHE"):
        return Path(own) / name
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "imagist" / name


def check_folder(path: Path) -> None:
    """Makes sure that a file can be written, before hours of work are spent on its contents.

    Raises:
        OutputError: Its folder is missing or not writable, or the path is a folder itself.
    """
    if path.is_dir():
        raise OutputError("is a folder", item=str(path), remedy="name a file in it")
    if not path.parent.is_dir():
        raise OutputError("its folder does not exist", item=str(path), remedy=f"create it: mkdir -p {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError("its folder is not writable", item=str(path))


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A scratch path in the same folder; it replaces the file when the block succeeds and is deleted when it fails.

    Raises:
        OutputError: The folder is not writable, or the disk is full.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield scratch
        scratch.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        scratch.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """An empty scratch folder; it replaces the folder when the block succeeds and is deleted when it fails.

    Raises:
        OutputError: The parent is not writable, or the disk is full.
    """
    scratch = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        scratch.mkdir(parents=True)
        yield scratch
        if folder.exists():
            shutil.rmtree(folder)
        scratch.replace(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes a file of UTF-8, whole or not at all.

    Raises:
        OutputError: The folder is not writable, or the disk is full.
    """
    with atomic_write(path) as scratch:
        scratch.write_text(text, "utf-8")


def write_json(path: Path, value: object) -> None:
    """Writes a value as JSON in UTF-8, whole or not at all.

    Raises:
        OutputError: The folder is not writable, or the disk is full.
    """
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(*parts: object) -> str:
    """Returns the first 20 hexadecimal digits of a sha256 over types, lengths and contents of the parts.

    Args:
        parts: Numbers, names, None; arrays of numbers or of text; mappings, lists and dataclasses of these.
    """
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest.update, part)
    return digest.hexdigest()[:20]


def _feed(update: Callable[[bytes], None], part: object) -> None:
    """Hashes the type of a part, its length, then its content."""
    if isinstance(part, np.ndarray):
        update(f"array {part.dtype.str} {part.shape} ".encode())
        update(np.ascontiguousarray(part).tobytes())
    elif is_dataclass(part):
        _feed(update, [type(part).__name__, {each.name: getattr(part, each.name) for each in fields(part)}])
    elif isinstance(part, Mapping):
        _feed(update, sorted(part.items()))
    elif isinstance(part, Sequence) and not isinstance(part, (str, bytes)):
        update(f"list {len(part)} ".encode())
        for each in part:
            _feed(update, each)
    else:
        content = repr(part.item() if isinstance(part, np.generic) else part).encode()
        update(b"%d %b " % (len(content), content))


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot be written: {error.strerror or error}", item=str(path))
