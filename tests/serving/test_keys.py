from __future__ import annotations

import os
import stat

import pytest

from imagist.errors import UsageError
from imagist.serving import keys
from imagist.serving.keys import KeyRing, RateLimiter, add_key, read_keys, revoke_key


def test_a_key_is_kept_as_its_hash_alone(tmp_path):
    path = tmp_path / "keys.json"
    made = add_key(path, "ann")
    other = add_key(path, "ben")
    assert made != other
    assert made.removeprefix(keys.PREFIX) not in path.read_text()
    assert [len(key.sha256) for key in read_keys(path)] == [64, 64]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ring = KeyRing(path)
    assert (ring.owner(made), ring.owner(other), ring.owner(""), ring.owner("é\udcff")) == ("ann", "ben", None, None)


def test_every_key_is_compared_in_constant_time(tmp_path, monkeypatch):
    compared = []
    monkeypatch.setattr(keys.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    path = tmp_path / "keys.json"
    made = [add_key(path, name) for name in "abc"]
    ring = KeyRing(path)
    assert ring.owner(made[0]) == "a"
    assert ring.owner("nobody's") is None
    assert len(compared) == 6


def test_names_are_used_once_until_they_are_revoked(tmp_path):
    path = tmp_path / "keys.json"
    first = add_key(path, "ann")
    with pytest.raises(UsageError, match="of that name"):
        add_key(path, "ann")
    with pytest.raises(UsageError, match="no valid key"):
        revoke_key(path, "ben")
    revoke_key(path, "ann")
    second = add_key(path, "ann")
    ring = KeyRing(path)
    assert (ring.owner(first), ring.owner(second)) == (None, "ann")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keys": [{"name": "a"}]}', '{"keys": 3}'])
def test_a_broken_file_is_an_error(tmp_path, text):
    path = tmp_path / "keys.json"
    path.write_text(text)
    with pytest.raises(UsageError, match="cannot be read"):
        read_keys(path)
    assert KeyRing(path).owner("a") is None


def test_a_bucket_fills_up_evenly(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(keys.time, "monotonic", lambda: now[0])
    limiter = RateLimiter(60)
    assert limiter.take("a", 50) == 0
    assert limiter.take("a", 20) == pytest.approx(10)
    assert limiter.take("b", 60) == 0
    now[0] = 10
    assert limiter.take("a", 20) == 0
    assert limiter.take("a", 100) == pytest.approx(60)  # as for a full bucket
    now[0] = 1000
    assert limiter.take("a", 100) == 0


def test_buckets_do_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(keys, "_MOST_BUCKETS", 10)
    limiter = RateLimiter(1)
    for number in range(100):
        limiter.take(str(number), 1)
    assert len(limiter._buckets) == 10
