"""Embeddings of phrases on disk: computed once for a matcher and a list of phrases, then mapped into memory.

A file is named by a digest of the matcher's id and of the phrases, so it is never out of date. It is a NumPy array
float16 ``[M, D]``, M phrases. A list is embedded in chunks, which are files in a folder beside it until the list is
complete: what was stopped goes on. Where the system has file locks, one process embeds and the others wait; where it
has none they all embed, with the same result.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from imagist.arrays import Halves
from imagist.errors import OutputError
from imagist.protocols import Matcher
from imagist.storage import atomic_write, cache_folder, digest_of

CHUNK = 1024
"""Phrases embedded between two writes."""

Advance = Callable[[int], None]
"""Called with the number of phrases that are done since the last call."""


def phrase_embeddings(
    matcher: Matcher, phrases: Sequence[str], folder: Path | None = None, advance: Advance | None = None
) -> Halves:
    """Embeddings of phrases, from the folder if they are there, else embedded now and written there.

    Args:
        matcher: Embeds the phrases.
        phrases: M of them, at least one.
        folder: Of all such files; None is ``phrases`` in `imagist.storage.cache_folder`.
        advance: Receives progress while phrases are embedded.

    Returns:
        float16 ``[M, D]``, mapped into memory, read-only; rows of length 1 but for rounding.

    Raises:
        OutputError: The folder cannot be written to.
    """
    place = folder or cache_folder("phrases")
    path = place / f"{digest_of(matcher.id, list(phrases))}.npy"
    if (found := _mapped(path, len(phrases))) is not None:
        return found
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")):
            if _mapped(path, len(phrases)) is None:  # no other process wrote it meanwhile
                _embed(matcher, phrases, path, advance)
    except OSError as error:
        raise OutputError(
            f"cannot be written: {error.strerror or error}", item=str(place), remedy="set IMAGIST_CACHE to a folder"
        ) from error
    found = _mapped(path, len(phrases))
    if found is None:
        raise OutputError("is damaged as soon as it is written", item=str(path), remedy="choose another disk")
    return found


def _embed(matcher: Matcher, phrases: Sequence[str], path: Path, advance: Advance | None) -> None:
    """Embeds the chunks that are not there, then joins them."""
    parts = path.with_suffix(".parts")
    parts.mkdir(exist_ok=True)
    files = []
    for start in range(0, len(phrases), CHUNK):
        some = list(phrases[start : start + CHUNK])
        file = parts / f"{start:09d}.npy"
        if _mapped(file, len(some)) is None:
            _write(file, matcher.texts(some).astype(np.float16))
        files.append(file)
        if advance:
            advance(len(some))
    first = np.load(files[0], mmap_mode="r", allow_pickle=False)
    with atomic_write(path) as scratch:
        whole = np.lib.format.open_memmap(
            scratch, mode="w+", dtype=np.float16, shape=(len(phrases), int(first.shape[1]))
        )
        for number, file in enumerate(files):
            whole[number * CHUNK : (number + 1) * CHUNK] = np.load(file, allow_pickle=False)
        whole.flush()
        del whole
    shutil.rmtree(parts, ignore_errors=True)


def _write(path: Path, rows: Halves) -> None:
    with atomic_write(path) as scratch, scratch.open("wb") as file:
        np.save(file, rows, allow_pickle=False)


def _mapped(path: Path, rows: int) -> Halves | None:
    """The array of a file; None where there is none, or where it is damaged."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.ndim == 2 and len(found) == rows and found.dtype == np.float16 else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Waits for other processes, and threads, that hold the lock of a file; the system frees it when they end."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
