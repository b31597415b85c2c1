"""API keys: a file of hashes, which is read again when it changes; and how many images each key may send.

The file is JSON: ``{"keys": [{"name": ..., "sha256": ..., "created": ..., "revoked": ...}]}``. A key is 256 random
bits, so that a plain SHA-256 of it cannot be guessed back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from imagist.errors import UsageError
from imagist.storage import atomic_write

PREFIX = "imagist_"
"""What every key begins with, so that it is recognised where it does not belong."""

_LOOK_AGAIN_S = 1.0
_MOST_BUCKETS = 10_000


@dataclass(frozen=True)
class Key:
    """One key, by its hash.

    Attributes:
        name: Whose it is.
        sha256: Of the key, in hexadecimal digits.
        created: When, in ISO 8601.
        revoked: When; None while it is valid.
    """

    name: str
    sha256: str
    created: str
    revoked: str | None = None


def read_keys(path: Path) -> list[Key]:
    """All keys of a file, the revoked ones too; none where there is no file.

    Raises:
        UsageError: The file cannot be read or understood.
    """
    try:
        listed = json.loads(path.read_text("utf-8"))["keys"]
        return [Key(**each) for each in listed]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"cannot be read as a file of keys: {type(error).__name__}", item=str(path)) from error


def add_key(path: Path, name: str) -> str:
    """Adds a key and returns it; it is nowhere else.

    Raises:
        UsageError: A valid key has that name already.
    """
    keys = read_keys(path)
    if any(key.name == name and key.revoked is None for key in keys):
        raise UsageError("there is a key of that name", item=name, remedy="revoke it first")
    made = PREFIX + secrets.token_urlsafe(32)
    _write(path, [*keys, Key(name, _hash(made), _now())])
    return made


def revoke_key(path: Path, name: str) -> None:
    """Makes the key of a name invalid; a service that runs takes note within a second or two.

    Raises:
        UsageError: No valid key has that name.
    """
    keys = read_keys(path)
    valid = [key.name for key in keys if key.revoked is None]
    if name not in valid:
        raise UsageError("no valid key of that name", item=name, remedy=f"there are: {', '.join(valid) or 'none'}")
    _write(path, [replace(key, revoked=_now()) if key.name == name and not key.revoked else key for key in keys])


class KeyRing:
    """The valid keys of a file, as it is now.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looked, self._stamp = 0.0, (-1.0, -1)
        self._keys: list[Key] = []
        self._refresh()

    def owner(self, presented: str) -> str | None:
        """The name of a key; None where it is not valid. It takes the same time whichever key it is, or none."""
        self._refresh()
        digest = _hash(presented)
        found: str | None = None
        for key in self._keys:
            if hmac.compare_digest(digest, key.sha256):
                found = key.name
        return found

    def _refresh(self) -> None:
        """Reads the file again if it changed; a file that is gone or broken leaves no key valid."""
        now = time.monotonic()
        if self._looked and now < self._looked + _LOOK_AGAIN_S:
            return
        self._looked = now
        try:
            status = self._path.stat()
            stamp = (status.st_mtime, status.st_size)
        except OSError:
            stamp = (-1.0, 0)
        if stamp == self._stamp:
            return
        try:
            self._keys = [key for key in read_keys(self._path) if key.revoked is None]
        except UsageError:
            self._keys = []
        self._stamp = stamp


class RateLimiter:
    """A bucket of images for each key or address, which fills up evenly.

    Args:
        images_a_minute: How fast; as many may come at once.
    """

    def __init__(self, images_a_minute: float) -> None:
        self._rate, self._most = images_a_minute / 60, images_a_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str, images: int) -> float:
        """Takes images from a bucket, all or none.

        Returns:
            0 where they were there; else the seconds until they will be. More than a bucket holds wait for a full one.
        """
        now = time.monotonic()
        left, since = self._buckets.pop(who, (self._most, now))
        left = min(self._most, left + (now - since) * self._rate)
        wanted = min(float(images), self._most)
        missing = wanted - left
        self._buckets[who] = (left - wanted if missing <= 0 else left, now)
        if len(self._buckets) > _MOST_BUCKETS:
            self._buckets.popitem(last=False)
        return max(0.0, missing / self._rate)


def _write(path: Path, keys: Iterable[Key]) -> None:
    with atomic_write(path) as scratch:
        scratch.write_text(json.dumps({"keys": [asdict(key) for key in keys]}, indent=1) + "\n", "utf-8")
        scratch.chmod(0o600)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
