"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imagist.errors import OutputError


def check_folder(path: Path) -> None:
    """See that a file can be put there, before hours of work are spent on what goes into it.

    Raises:
        OutputError: Its folder is missing or may not be written to, or the path is a folder itself.
    """
    if path.is_dir():
        raise OutputError("is a folder", item=str(path), remedy="name a file in it")
    if not path.parent.is_dir():
        raise OutputError("its folder does not exist", item=str(path), remedy=f"create it: mkdir -p {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError("its folder may not be written to", item=str(path))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A scratch path beside the file that takes its place when the block ends well, and vanishes when it does not.

    Raises:
        OutputError: The folder cannot be written to, or the disk is full.
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield scratch
        scratch.replace(path)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror or error}", item=str(path)) from error
    finally:
        scratch.unlink(missing_ok=True)
