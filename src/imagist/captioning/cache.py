"""A captioner's memory on disk, so that no image is captioned twice by the same settings.

One SQLite file, which threads and processes of one machine may use at a time: it keeps a write-ahead log, so the disk
should be a local one. Captions are found by the sha256 of a photo's pixels and shape and by the captioner's id, which
holds the model and all settings; a captioner that looks at anything else of a photo, as one that replays a file by
names, must not be given a cache. Attention is kept as float32, 196 bytes a word for a grid of 7 x 7, so that what
is read back is equal. Nothing is ever dropped: to be rid of a cache, delete its file.
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

import numpy as np

from imagist.errors import OutputError, UsageError
from imagist.protocols import Captioner
from imagist.records import Caption, Hypothesis, Photo

WAIT = 60.0
"""Seconds until a cache that another process is writing counts as stuck."""

_MARK = 0x696D6763  # application_id of the file, "imgc"
_VERSION = 1  # user_version
_TABLES = """
CREATE TABLE captioners (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE captions (
    captioner INTEGER NOT NULL REFERENCES captioners, image BLOB NOT NULL,
    text TEXT NOT NULL, logprob REAL, tokens TEXT NOT NULL, nbest TEXT NOT NULL, attention BLOB, shape TEXT,
    PRIMARY KEY (captioner, image)
);
"""
_AT_A_TIME = 500  # images looked for by one statement
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}


class CachedCaptioner:
    """Implements `imagist.protocols.Captioner` around another one; may be called from several threads at a time.

    An image that is in several calls at once is captioned by one of them. Two processes that meet a new image in the
    same moment may both caption it; what came first is kept.

    Args:
        captioner: Writes the captions that are not there yet.
        path: The cache; made where it does not exist.

    Attributes:
        hits: Photos that were answered without the captioner.
        misses: Images that it captioned.

    Raises:
        OutputError: The file cannot be read and written there, or is something else or damaged. It is left as it is.
    """

    def __init__(self, captioner: Captioner, path: Path) -> None:
        self.id = captioner.id
        self.concurrent = captioner.concurrent
        self.hits = self.misses = 0
        self._captioner = captioner
        self._store = _Store(Path(path).absolute(), self.id)
        self._lock = threading.Lock()
        self._at_work: dict[bytes, threading.Event] = {}

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order: from the cache, or from the captioner and then kept.

        Raises:
            OutputError: The cache is damaged, or can no longer be written.
            UsageError: It was closed.
        """
        keys = [image_hash(photo) for photo in photos]
        wanted = dict(zip(keys, photos, strict=True))
        said: dict[bytes, Caption] = {}
        captioned = 0
        while left := [key for key in wanted if key not in said]:
            mine, others = self._claim(left)
            try:
                found = self._store.find(mine)
                new = [key for key in mine if key not in found]
                if new:
                    captions = self._captioner.caption([wanted[key] for key in new])
                    fresh = dict(zip(new, captions, strict=True))
                    self._store.add(fresh)
                    captioned += len(new)
                    found |= fresh
                said |= found
            finally:
                self._release(mine)
            for other in others:  # what they fail at is ours the next time round
                other.wait()
        with self._lock:
            self.misses += captioned
            self.hits += len(photos) - captioned
        return [said[key] for key in keys]

    def save(self, folder: Path) -> None:
        """Saves the captioner, without its cache."""
        self._captioner.save(folder)

    def close(self) -> None:
        """Lets go of the file."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _claim(self, keys: Iterable[bytes]) -> tuple[list[bytes], list[threading.Event]]:
        """The images that nobody is at work on, which are now ours, and the ends of the work on the others."""
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
    """The file: captions of one captioner by the hash of the image."""

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
        with self._transaction():  # nobody else makes the file meanwhile
            if not self._is_ours():
                for statement in _TABLES.split(";"):
                    self._file.execute(statement)
                self._file.execute(f"PRAGMA application_id = {_MARK}")
                self._file.execute(f"PRAGMA user_version = {_VERSION}")
            self._file.execute("INSERT OR IGNORE INTO captioners (id) VALUES (?)", [captioner])
        found = self._file.execute("SELECT number FROM captioners WHERE id = ?", [captioner])
        self._captioner: int = found.fetchone()[0]
        self._log_ahead()
        self._file.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last captions, not the file

    def _is_ours(self) -> bool:
        """Whether the file is a cache already; False where it is empty."""
        mark, version = (
            self._file.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if (mark, version) == (_MARK, _VERSION):
            return True
        if mark == _MARK:
            raise self._unusable(f"is a caption cache of another version of imagist ({version}, not {_VERSION})")
        if mark or version or self._file.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise self._unusable("is a database of something else")
        return False

    def _log_ahead(self) -> None:
        """Lets readers and a writer work at a time. SQLite does not wait for its turn here by itself."""
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
        """The captions that are there."""
        found: dict[bytes, Caption] = {}
        with self._lock, self._typed():
            for begin in range(0, len(keys), _AT_A_TIME):
                some = keys[begin : begin + _AT_A_TIME]
                places = ",".join("?" * len(some))
                rows = self._file.execute(
                    "SELECT image, text, logprob, tokens, nbest, attention, shape FROM captions "
                    f"WHERE captioner = ? AND image IN ({places})",
                    [self._captioner, *some],
                )
                found |= {key: self._caption(*values) for key, *values in rows}
        return found

    def add(self, captions: Mapping[bytes, Caption]) -> None:
        """Keeps captions; those that are there already stay as they are."""
        rows = [(self._captioner, key, *_values(caption)) for key, caption in captions.items()]
        with self._lock, self._typed(), self._transaction():
            self._file.executemany("INSERT OR IGNORE INTO captions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._file.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")  # a reader that began to write later could find itself shut out
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise

    @contextmanager
    def _typed(self) -> Iterator[None]:
        """Turns the database's errors into imagist's."""
        try:
            yield
        except sqlite3.Error as error:
            if self._closed:
                raise UsageError("the cache was closed", item=str(self._path)) from error
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of its bits are the details
            if code in _DAMAGED:
                raise self._unusable(f"is no caption cache, or a damaged one: {error}") from error
            if code == sqlite3.SQLITE_BUSY:
                raise OutputError(f"other processes have held it for {WAIT:.0f} s", item=str(self._path)) from error
            raise OutputError(f"cannot be used as a caption cache: {error}", item=str(self._path)) from error

    def _caption(self, *values: Any) -> Caption:
        try:
            return _caption(*values)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._unusable(f"is damaged: {error}") from error

    def _unusable(self, problem: str) -> OutputError:
        return OutputError(problem, item=str(self._path), remedy="name another file, or move this one away")


def _values(caption: Caption) -> tuple[Any, ...]:
    """A row's columns from ``text`` on."""
    nbest = [[hypothesis.text, float(hypothesis.logprob)] for hypothesis in caption.nbest]
    told = (caption.text, float(caption.logprob), json.dumps(caption.tokens), json.dumps(nbest))
    if caption.attention is None:
        return (*told, None, None)
    return (*told, caption.attention.astype("<f4").tobytes(), json.dumps(caption.attention.shape))


def _caption(
    text: str, logprob: float | None, tokens: str, nbest: str, attention: bytes | None, shape: str | None
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
    )
