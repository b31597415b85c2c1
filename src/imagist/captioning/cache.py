"""A cache of captions on disk, so that no image is captioned twice with the same settings.

The cache is one SQLite file, which threads and processes of one machine may share. It has a write-ahead log, so the
disk should be local. The key is the sha256 of an image's pixels and shape with the captioner's id, which names the
model and all settings. A captioner whose captions depend on anything else, such as one that looks captions up by file
name, must not be cached. Attention is stored as float32, 196 bytes a word for a 7 x 7 grid, so it is read back
unchanged. Entries are never removed; delete the file to empty a cache.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from weakref import WeakKeyDictionary

import numpy as np

from imagist.errors import ItemError, OutputError, UsageError
from imagist.protocols import Captioner
from imagist.records import Caption, Hypothesis, Photo, Phrase

WAIT = 60.0
"""Seconds to wait for another process that writes the cache."""

_MARK = 0x696D6763  # application_id of the file, "imgc"
_VERSION = 2  # user_version; files of version 1 get the columns that they lack
_TABLES = """
CREATE TABLE captioners (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE captions (
    captioner INTEGER NOT NULL REFERENCES captioners, image BLOB NOT NULL,
    text TEXT NOT NULL, logprob REAL, tokens TEXT NOT NULL, nbest TEXT NOT NULL, attention BLOB, shape TEXT,
    phrases TEXT NOT NULL DEFAULT '[]', similarity REAL, PRIMARY KEY (captioner, image)
);
"""
_ADDED = ("phrases TEXT NOT NULL DEFAULT '[]'", "similarity REAL")
_COLUMNS = "text, logprob, tokens, nbest, attention, shape, phrases, similarity"
_AT_A_TIME = 500  # images looked for by one statement
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


class CachedCaptioner:
    """Implements `imagist.protocols.Captioner` around another one; may be called from several threads at a time.

    An image that is in several calls at once is captioned by one of them. Two processes that read a new image at the
    same time may both caption it; the first caption is kept.

    Args:
        captioner: Writes the captions that are not in the cache.
        path: The file; created if it does not exist.

    Attributes:
        hits: Images found in the cache.
        misses: Images that the captioner captioned.

    Raises:
        OutputError: The file cannot be read or written, is not a cache, or is damaged. It is left unchanged.
    """

    def __init__(self, captioner: Captioner, path: Path) -> None:
        self.id = captioner.id
        self.concurrent = captioner.concurrent
        self.encoder = getattr(captioner, "encoder", None)
        self.matcher = getattr(captioner, "matcher", None)
        self.hits = self.misses = 0
        self.captioner = captioner
        self._store = _Store(Path(path).absolute(), self.id)
        self._lock = threading.Lock()
        self._at_work: dict[bytes, threading.Event] = {}
        self._fresh: set[bytes] = set()  # captioned, and not returned yet
        self._failed: WeakKeyDictionary[Photo, ItemError] = WeakKeyDictionary()  # and not raised yet

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order: from the cache, or from the captioner, which is then stored.

        Raises:
            ItemError: The captioner fails at a photo; the captions of the others are stored.
            OutputError: The cache is damaged, or can no longer be written.
            UsageError: The cache is closed.
        """
        if len(photos) == 1 and (error := self._failed.pop(photos[0], None)) is not None:
            raise error  # of the batch that it has just failed in
        keys = [image_hash(photo) for photo in photos]
        wanted = dict(zip(keys, photos, strict=True))
        done: dict[bytes, Caption] = {}
        failed: ItemError | None = None
        while left := [key for key in wanted if key not in done]:
            mine, others = self._claim(left)
            try:
                found = self._store.find(mine)
                new = [key for key in mine if key not in found]
                if new:
                    fresh, failed = self._written({key: wanted[key] for key in new})
                    self._store.add(fresh)
                    with self._lock:
                        self._fresh.update(fresh)
                    found |= fresh
                done |= found
            finally:
                self._release(mine)
            if failed is not None:
                raise failed
            for other in others:  # the next round does what they fail at
                other.wait()
        with self._lock:
            fresh_here = self._fresh & wanted.keys()
            self._fresh -= fresh_here
            self.misses += len(fresh_here)
            self.hits += len(photos) - len(fresh_here)
        return [done[key] for key in keys]

    def _written(self, photos: Mapping[bytes, Photo]) -> tuple[dict[bytes, Caption], ItemError | None]:
        """Captions photos: those that can be had, and the first error."""
        try:
            return dict(zip(photos, self.captioner.caption([*photos.values()]), strict=True)), None
        except ItemError as error:
            failed = error
        found: dict[bytes, Caption] = {}
        for key, photo in photos.items() if len(photos) > 1 else ():
            try:
                (found[key],) = self.captioner.caption([photo])
            except ItemError as error:
                self._failed[photo] = error
        return found, failed

    def save(self, folder: Path) -> None:
        """Saves the captioner, without its cache."""
        self.captioner.save(folder)

    def close(self) -> None:
        """Closes the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _claim(self, keys: Iterable[bytes]) -> tuple[list[bytes], list[threading.Event]]:
        """Reserves the images that no other call works on; returns them, and an event for each other image."""
        with self._lock:
            others = [self._at_work[key] for key in keys if key in self._at_work]
            mine = [key for key in keys if key not in self._at_work]
            self._at_work |= {key: threading.Event() for key in mine}
        return mine, others

    def _release(self, keys: Iterable[bytes]) -> None:
        with self._lock:
            ended = [self._at_work.pop(key) for key in keys]
        for event in ended:
            event.set()


def image_hash(photo: Photo) -> bytes:
    """The sha256 of a photo's shape and pixels, 32 bytes."""
    digest = hashlib.sha256(repr(photo.pixels.shape).encode("ascii"))
    digest.update(np.ascontiguousarray(photo.pixels).data)
    return digest.digest()


class _Store:
    """The SQLite file: captions of one captioner by the hash of the image."""

    def __init__(self, path: Path, captioner: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._closed = False
        if not path.parent.is_dir():
            raise OutputError("its folder does not exist", item=str(path), remedy=f"create it: mkdir -p {path.parent}")
        with self._typed():
            self._file = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
        try:
            with self._typed():
                self._open(captioner)
        except BaseException:
            self._file.close()
            raise

    def _open(self, captioner: str) -> None:
        with self._transaction():  # no other process creates the tables meanwhile
            if not self._is_ours():
                for statement in _TABLES.split(";"):
                    self._file.execute(statement)
                self._file.execute(f"PRAGMA application_id = {_MARK}")
                self._file.execute(f"PRAGMA user_version = {_VERSION}")
            self._file.execute("INSERT OR IGNORE INTO captioners (id) VALUES (?)", [captioner])
        found = self._file.execute("SELECT number FROM captioners WHERE id = ?", [captioner])
        self._captioner: int = found.fetchone()[0]
        self._log_ahead()
        self._file.execute("PRAGMA synchronous = NORMAL")  # a power cut may lose the last captions, not the file

    def _is_ours(self) -> bool:
        """Whether the file is a cache; False if it is empty."""
        mark, version = (
            self._file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if (mark, version) == (_MARK, _VERSION):
            return True
        if (mark, version) == (_MARK, 1):
            for column in _ADDED:
                self._file.execute(f"ALTER TABLE captions ADD COLUMN {column}")
            self._file.execute(f"PRAGMA user_version = {_VERSION}")
            return True
        if mark == _MARK:
            raise self._unusable(f"is the caption cache of another version of imagist ({version}, not {_VERSION})")
        if mark or version or self._file.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise self._unusable("is a database, but not a caption cache")
        return False

    def _log_ahead(self) -> None:
        """Turns on the write-ahead log: readers then do not block a writer. SQLite does not wait for this lock."""
        deadline = time.monotonic() + WAIT
        while True:
            try:
                self._file.execute("PRAGMA journal_mode = WAL").fetchall()
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Caption]:
        """The stored captions among these keys."""
        found: dict[bytes, Caption] = {}
        with self._lock, self._typed():
            for begin in range(0, len(keys), _AT_A_TIME):
                some = keys[begin : begin + _AT_A_TIME]
                places = ",".join("?" * len(some))
                rows = self._file.execute(
                    f"SELECT image, {_COLUMNS} FROM captions WHERE captioner = ? AND image IN ({places})",
                    [self._captioner, *some],
                )
                found |= {key: self._caption(*values) for key, *values in rows}
        return found

    def add(self, captions: Mapping[bytes, Caption]) -> None:
        """Stores captions; existing ones stay unchanged."""
        rows = [(self._captioner, key, *_values(caption)) for key, caption in captions.items()]
        with self._lock, self._typed(), self._transaction():
            into = f"captions (captioner, image, {_COLUMNS})"
            self._file.executemany(f"INSERT OR IGNORE INTO {into} VALUES ({','.join('?' * 10)})", rows)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._file.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")  # a transaction that starts as a reader may fail when it writes
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """Raises the database's errors as imagist's."""
        try:
            yield
        except sqlite3.Error as error:
            if self._closed:
                raise UsageError("the cache is closed", item=str(self._path)) from error
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of its bits are the details
            if code in _DAMAGED:
                raise self._unusable(f"is not a caption cache, or is damaged: {error}") from error
            if code == sqlite3.SQLITE_BUSY:
                raise OutputError(f"other processes have locked it for {WAIT:.0f} s", item=str(self._path)) from error
            raise OutputError(f"cannot be used as a caption cache: {error}", item=str(self._path)) from error

    def _caption(self, *values: Any) -> Caption:
        try:
            return _caption(*values)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._unusable(f"is damaged: {error}") from error

    def _unusable(self, problem: str) -> OutputError:
        return OutputError(problem, item=str(self._path), remedy="choose another file, or move this one")


def _values(caption: Caption) -> tuple[Any, ...]:
    """The columns of a row from ``text`` on."""
    nbest = [[hypothesis.text, float(hypothesis.logprob)] for hypothesis in caption.nbest]
    phrases = [[phrase.text, phrase.similarity, phrase.role, phrase.gain] for phrase in caption.phrases]
    maps = caption.attention
    return (
        caption.text,
        float(caption.logprob),
        json.dumps(caption.tokens),
        json.dumps(nbest),
        None if maps is None else maps.astype("<f4").tobytes(),
        None if maps is None else json.dumps(maps.shape),
        json.dumps(phrases),
        caption.similarity,
    )


def _caption(
    text: str,
    logprob: float | None,
    tokens: str,
    nbest: str,
    attention: bytes | None,
    shape: str | None,
    phrases: str,
    similarity: float | None,
) -> Caption:
    maps = None
    if attention is not None and shape is not None:
        maps = np.frombuffer(attention, "<f4").astype(np.float32).reshape(json.loads(shape))
    return Caption(
        text,
        math.nan if logprob is None else logprob,  # SQLite keeps NaN as NULL
        tuple(json.loads(tokens)),
        tuple(Hypothesis(words, sure) for words, sure in json.loads(nbest)),
        maps,
        tuple(Phrase(*values) for values in json.loads(phrases)),
        similarity,
    )
