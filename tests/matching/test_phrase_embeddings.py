"""Embeddings of phrases on disk: computed once, whole or resumed, and by one of several processes."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from counting_matcher import WIDTH, CountingMatcher
from imagist.errors import OutputError
from imagist.matching import phrase_embeddings as module
from imagist.matching.phrase_embeddings import phrase_embeddings
from imagist.storage import cache_folder

PHRASES = [f"phrase {number}" for number in range(10)]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 4)


def test_they_are_the_matcher_s_own_and_computed_once(tmp_path):
    matcher, advanced = CountingMatcher(), []
    found = phrase_embeddings(matcher, PHRASES, tmp_path, advanced.append)
    np.testing.assert_array_equal(found, matcher.texts(PHRASES).astype(np.float16))
    assert (found.dtype, found.shape, advanced) == (np.float16, (10, WIDTH), [4, 4, 2])
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    matcher.asked = 0
    np.testing.assert_array_equal(phrase_embeddings(matcher, PHRASES, tmp_path, advanced.append), found)
    assert (matcher.asked, len(advanced)) == (0, 3)


def test_another_matcher_or_other_phrases_have_a_file_of_their_own(tmp_path):
    first = phrase_embeddings(CountingMatcher(), PHRASES, tmp_path)
    phrase_embeddings(CountingMatcher(name="other"), PHRASES, tmp_path)
    phrase_embeddings(CountingMatcher(), PHRASES[::-1], tmp_path)
    assert len([*tmp_path.glob("*.npy")]) == 3
    np.testing.assert_array_equal(first, phrase_embeddings(CountingMatcher(), PHRASES, tmp_path))


def test_what_was_stopped_goes_on(tmp_path):
    class Stopped(CountingMatcher):
        def texts(self, texts):
            if self.asked >= 4:
                raise KeyboardInterrupt
            return super().texts(texts)

    with pytest.raises(KeyboardInterrupt):
        phrase_embeddings(Stopped(), PHRASES, tmp_path)
    assert not [*tmp_path.glob("*.npy")]
    matcher = CountingMatcher()
    found = phrase_embeddings(matcher, PHRASES, tmp_path)
    assert matcher.asked == 6
    np.testing.assert_array_equal(found, matcher.texts(PHRASES).astype(np.float16))
    assert not [*tmp_path.glob("*.parts")]


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY torn", b"no array at all"])
def test_a_damaged_file_is_written_again(content, tmp_path):
    expected = np.array(phrase_embeddings(CountingMatcher(), PHRASES, tmp_path))
    (file,) = tmp_path.glob("*.npy")
    file.write_bytes(content)
    np.testing.assert_array_equal(phrase_embeddings(CountingMatcher(), PHRASES, tmp_path), expected)


def test_several_at_a_time_embed_once(tmp_path):
    pytest.importorskip("fcntl")
    matcher = CountingMatcher()
    found = [None] * 6

    def work(place):
        found[place] = phrase_embeddings(matcher, PHRASES, tmp_path)

    threads = [threading.Thread(target=work, args=[place]) for place in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert matcher.asked == len(PHRASES)
    assert all(np.array_equal(each, found[0]) for each in found)


def test_the_folder_is_the_user_s_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGIST_CACHE", str(tmp_path / "mine"))
    phrase_embeddings(CountingMatcher(), PHRASES)
    assert [*(tmp_path / "mine" / "phrases").glob("*.npy")]
    monkeypatch.delenv("IMAGIST_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if os.name != "nt":
        assert cache_folder("phrases") == tmp_path / "imagist" / "phrases"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="IMAGIST_CACHE"):
        phrase_embeddings(CountingMatcher(), PHRASES, tmp_path / "file" / "phrases")
