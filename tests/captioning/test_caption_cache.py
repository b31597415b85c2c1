"""No image is captioned twice by the same settings, whoever asks."""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from imagist.captioning import cache as caption_cache
from imagist.captioning.cache import CachedCaptioner, image_hash
from imagist.errors import ModelFailed, OutputError, UsageError
from imagist.images.stream import run
from imagist.protocols import Captioner
from imagist.records import Caption, Hypothesis, Photo, Phrase


def image(number, source=""):
    pixels = np.full((2, 3, 3), number % 256, np.uint8)
    pixels[0, 0] = number // 256
    return Photo(pixels, source or f"{number}.jpg")


def caption_of(photo):
    """What the fake says: depends on the pixels alone."""
    number = int(photo.pixels[0, 0, 0]) * 256 + int(photo.pixels[1, 2, 0])
    tokens = ("number", str(number))
    maps = np.random.default_rng(number).random((2, 7, 7), np.float32)
    nbest = (Hypothesis(" ".join(tokens), -0.1 * number), Hypothesis("a number", -0.1 * number - 1))
    return Caption(" ".join(tokens), -0.1 * number, tokens, nbest, maps)


class Counting:
    """A captioner that knows how often it was asked for each image."""

    def __init__(self, id="fake(beam=3)", broken=()):
        self.id = id
        self.concurrent = True
        self.asked = Counter()
        self.broken = set(broken)
        self._lock = threading.Lock()

    def caption(self, photos):
        with self._lock:
            self.asked.update(photo.source for photo in photos)
        if bad := [photo for photo in photos if photo.source in self.broken]:
            raise ModelFailed("cannot", item=bad[0].source)
        return [caption_of(photo) for photo in photos]


def assert_equal(one, other):
    """Equal to the bit; NaN equals NaN."""
    assert (one.text, one.tokens) == (other.text, other.tokens)
    assert [h.text for h in one.nbest] == [h.text for h in other.nbest]
    assert (one.phrases, one.similarity) == (other.phrases, other.similarity)
    numbers = [(c.logprob, *(h.logprob for h in c.nbest)) for c in (one, other)]
    np.testing.assert_array_equal(*np.float64(numbers))
    assert (one.attention is None) == (other.attention is None)
    if one.attention is not None:
        assert one.attention.dtype == other.attention.dtype == np.float32
        assert one.attention.shape == other.attention.shape
        assert one.attention.tobytes() == other.attention.tobytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "captions.sqlite"


texts = st.text(max_size=10)
numbers, finite = st.floats(), st.floats(allow_nan=False, allow_infinity=False)
any_captions = st.builds(
    Caption,
    texts,
    numbers,
    st.lists(texts, max_size=3).map(tuple),
    st.lists(st.builds(Hypothesis, texts, numbers), max_size=3).map(tuple),
    st.none() | arrays(np.float32, array_shapes(min_dims=3, max_dims=3, min_side=0, max_side=4)),
    st.lists(st.builds(Phrase, texts, finite, texts, st.none() | finite), max_size=3).map(tuple),
    st.none() | finite,
)


@settings(max_examples=50)
@given(st.lists(any_captions, min_size=1, max_size=4))
def test_any_caption_is_read_back_equal(captions):
    class Saying:
        id = "saying"
        concurrent = True

        def caption(self, photos):
            return captions[: len(photos)]

    photos = [image(n) for n in range(len(captions))]
    with tempfile.TemporaryDirectory() as folder:
        with CachedCaptioner(Saying(), Path(folder) / "x") as cached:
            for caption, first in zip(captions, cached.caption(photos), strict=True):
                assert first is caption
        with CachedCaptioner(Saying(), Path(folder) / "x") as cached:
            for caption, again in zip(captions, cached.caption(photos), strict=True):
                assert_equal(caption, again)
            assert (cached.hits, cached.misses) == (len(photos), 0)


def test_the_shipped_captioner_is_read_back_equal(path, pipeline, photos):
    with CachedCaptioner(pipeline.captioner, path) as cached:
        assert isinstance(cached, Captioner)
        assert cached.id == pipeline.captioner.id
        fresh = cached.caption(photos[:3])
    with CachedCaptioner(pipeline.captioner, path) as cached:
        for one, other in zip(fresh, cached.caption(photos[:3]), strict=True):
            assert_equal(one, other)
        assert cached.misses == 0


def test_a_image_is_captioned_once(path):
    captioner = Counting()
    with CachedCaptioner(captioner, path) as cached:
        assert cached.caption([]) == []
        for _ in range(3):
            for number, caption in enumerate(cached.caption([image(n) for n in range(5)])):
                assert_equal(caption, caption_of(image(number)))
        assert (cached.hits, cached.misses) == (10, 5)
    assert set(captioner.asked.values()) == {1}


def test_twins_in_a_batch_are_captioned_once_whatever_they_are_called(path):
    captioner = Counting()
    with CachedCaptioner(captioner, path) as cached:
        captions = cached.caption([image(1, "a"), image(2, "b"), image(1, "c"), image(1, "d")])
        assert [caption.text for caption in captions] == ["number 1", "number 2", "number 1", "number 1"]
        assert (cached.hits, cached.misses) == (2, 2)
    assert sum(captioner.asked.values()) == 2


def test_more_images_than_one_statement_takes(path):
    photos = [image(n) for n in range(1201)]
    for misses in (1201, 0):
        with CachedCaptioner(Counting(), path) as cached:
            captions = cached.caption(photos)
            assert [caption.text for caption in captions] == [f"number {n}" for n in range(1201)]
            assert cached.misses == misses


def test_other_settings_have_captions_of_their_own(path):
    for _ in range(2):
        for captioner in (Counting("fake(beam=3)"), Counting("fake(beam=4)")):
            with CachedCaptioner(captioner, path) as cached:
                cached.caption([image(1)])
    file = sqlite3.connect(path)
    counts = "SELECT id, count(*) FROM captioners, captions WHERE number = captioner GROUP BY id"
    assert file.execute(counts).fetchall() == [("fake(beam=3)", 1), ("fake(beam=4)", 1)]
    file.close()


def test_the_hash_is_of_pixels_and_shape_alone():
    pixels = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
    first = image_hash(Photo(pixels, "a"))
    assert image_hash(Photo(np.asfortranarray(pixels), "b", (30, 40))) == first
    assert image_hash(Photo(np.flip(np.flip(pixels, 0).copy(), 0))) == first
    assert image_hash(Photo(pixels.reshape(4, 3, 3))) != first
    assert image_hash(Photo(pixels + np.uint8(1))) != first


def test_only_the_images_that_fail_are_lost(path):
    captioner = Counting(broken=["2.jpg"])
    with CachedCaptioner(captioner, path) as cached:
        (outcomes,) = run([image(n) for n in range(5)], cached.caption)
        assert [isinstance(outcome.result, Caption) for outcome in outcomes] == [True, True, False, True, True]
        assert outcomes[2].result.error.item == "2.jpg"
        assert (cached.hits, cached.misses) == (0, 4)
        cached.caption([image(n) for n in (0, 1, 3, 4)])
        assert (cached.hits, cached.misses) == (4, 4)


def test_a_captioner_that_says_too_little_is_not_believed(path):
    class Short(Counting):
        def caption(self, photos):
            return super().caption(photos)[1:]

    with CachedCaptioner(Short(), path) as cached:
        with pytest.raises(ValueError, match="shorter"):
            cached.caption([image(1), image(2)])
        assert cached.misses == 0


def test_threads_that_meet_a_image_caption_it_once(path):
    together = threading.Barrier(4)
    captioner = Counting()
    with CachedCaptioner(captioner, path) as cached, ThreadPoolExecutor(4) as pool:

        def work(seed):
            together.wait()
            said = {}
            for batch in np.split(np.random.default_rng(seed).permutation(40), 8):
                said |= zip(batch, cached.caption([*map(image, batch)]), strict=True)
            return said

        for said in pool.map(work, range(4)):
            assert {n: caption.text for n, caption in said.items()} == {n: f"number {n}" for n in range(40)}
        assert (cached.hits, cached.misses) == (120, 40)
    assert set(captioner.asked.values()) == {1}


def test_what_another_thread_fails_at_is_tried_again(path):
    """The first call holds the image until the second waits for it, then fails."""
    begun, waiting = threading.Event(), threading.Event()

    class Once(Counting):
        def caption(self, photos):
            if not begun.is_set():
                begun.set()
                assert waiting.wait(60)
                raise ModelFailed("cannot", item=photos[0].source)
            return super().caption(photos)

    class Watched(CachedCaptioner):
        def _claim(self, keys):
            mine, others = super()._claim(keys)
            if others:
                waiting.set()
            return mine, others

    with Watched(Once(), path) as cached, ThreadPoolExecutor(2) as pool:
        first = pool.submit(cached.caption, [image(1)])
        assert begun.wait(60)
        second = pool.submit(cached.caption, [image(1), image(2)])
        with pytest.raises(ModelFailed):
            first.result(60)
        assert [caption.text for caption in second.result(60)] == ["number 1", "number 2"]


def one_of_several(path, seed, start, results):
    """In a process of its own: all images in some order, in small batches."""
    captioner = Counting()
    order = np.random.default_rng(seed).permutation(60)
    start.wait(240)
    with CachedCaptioner(captioner, path) as cached:
        for batch in np.split(order, 20):
            for number, caption in zip(batch, cached.caption([*map(image, batch)]), strict=True):
                assert_equal(caption, caption_of(image(number)))
        results.put((cached.hits, cached.misses, sum(captioner.asked.values())))


@pytest.mark.slow
def test_several_processes_make_and_fill_one_cache_at_once(path):
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(3), context.Queue()
    workers = [
        context.Process(target=one_of_several, args=(path, seed, start, results), daemon=True) for seed in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 3
    counts = [results.get(timeout=10) for _ in workers]
    assert all(hits + misses == 60 and misses == asked for hits, misses, asked in counts)
    assert 60 <= sum(misses for _, misses, _ in counts) < 180
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT count(*) FROM captions").fetchone() == (60,)
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    file.close()


def endless(path, begun):
    with CachedCaptioner(Counting(), path) as cached:
        for number in range(10**6):
            cached.caption([image(number)])
            if number == 20:
                begun.set()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_kill_costs_nothing_that_was_said(path):
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    worker = context.Process(target=endless, args=(path, begun), daemon=True)
    worker.start()
    assert begun.wait(240)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(60)
    with CachedCaptioner(Counting(), path) as cached:
        for number, caption in enumerate(cached.caption([image(n) for n in range(20)])):
            assert_equal(caption, caption_of(image(number)))
        assert cached.misses == 0


def refused(path, match):
    """The file is refused with a word, and left as it is."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(OutputError, match=match) as caught, CachedCaptioner(Counting(), path) as cached:
        cached.caption([image(n) for n in range(300)])
    assert caught.value.item == str(path)
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize("content", [b"a dog\n", b"not a database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_not_a_database_is_refused(path, content):
    path.write_bytes(content)
    refused(path, "is not a caption cache, or is damaged")


@pytest.mark.parametrize(
    "script",
    ["CREATE TABLE posts (id)", "PRAGMA user_version = 1", "PRAGMA application_id = 5", "CREATE VIEW v AS SELECT 1"],
)
def test_another_database_is_refused(path, script):
    file = sqlite3.connect(path)
    file.executescript(script)
    file.close()
    refused(path, "is a database, but not a caption cache")


def change(path, script):
    file = sqlite3.connect(path)
    file.executescript(script)
    file.close()


@pytest.fixture
def filled(path):
    with CachedCaptioner(Counting(), path) as cached:
        cached.caption([image(n) for n in range(300)])
    return path


def test_a_cache_of_another_version_is_refused(filled):
    change(filled, "PRAGMA user_version = 7")
    refused(filled, r"another version of imagist \(7, not 2\)")


def test_a_cache_of_the_version_before_keeps_its_captions(filled):
    for column in ("phrases", "similarity"):
        change(filled, f"ALTER TABLE captions DROP COLUMN {column}")
    change(filled, "PRAGMA user_version = 1")
    for hits in (1, 2):
        with CachedCaptioner(Counting(), filled) as cached:
            first, _ = cached.caption([image(3), image(1000)])
            assert (cached.hits, first.text, first.phrases) == (hits, caption_of(image(3)).text, ())


def test_damaged_pages_are_reported(filled):
    content = bytearray(filled.read_bytes())
    content[8192:-4096] = b"\xff" * (len(content) - 12288)
    filled.write_bytes(content)
    refused(filled, "damaged")


def test_half_a_file_is_reported(filled):
    content = filled.read_bytes()
    filled.write_bytes(content[: len(content) // 2])
    refused(filled, "damaged")


@pytest.mark.parametrize(
    "damage",
    ["tokens = '['", "tokens = 'null'", "nbest = '[[1]]'", "nbest = '[3]'", "shape = '[1, 2]'", "attention = x'00'"],
)
def test_damaged_rows_are_reported(filled, damage):
    change(filled, f"UPDATE captions SET {damage} WHERE text = 'number 7'")
    refused(filled, "is damaged")


def test_a_missing_table_is_reported(filled):
    change(filled, "DROP TABLE captions")
    refused(filled, "cannot be used as a caption cache: no such table")


def test_a_folder_that_is_missing_is_reported(tmp_path):
    refused(tmp_path / "no" / "x", "its folder does not exist")


def test_a_folder_is_no_cache(tmp_path):
    refused(tmp_path, "cannot be used as a caption cache: unable to open")


@pytest.fixture
def nobody(monkeypatch):
    """Takes away what a superuser may, as long as the test lasts; gives a folder that anybody may enter."""
    if not hasattr(os, "geteuid"):
        pytest.skip("no such permissions here")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    superuser = os.geteuid() == 0

    def drop():
        if superuser:
            os.seteuid(65534)

    yield folder, drop
    if superuser:
        os.seteuid(0)
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_or_file_that_may_not_be_written_is_reported(nobody, there):
    folder, drop = nobody
    path = folder / "x"
    if there:
        CachedCaptioner(Counting(), path).close()
        path.chmod(0o444)
    folder.chmod(0o555)
    drop()
    with pytest.raises(OutputError, match="readonly" if there else "unable to open") as caught:
        CachedCaptioner(Counting(), path)
    assert caught.value.item == str(path)


def test_a_full_disk_is_reported_and_what_was_kept_stays(path):
    with CachedCaptioner(Counting(), path) as cached:
        cached.caption([image(0)])
        cached._store._file.execute("PRAGMA max_page_count = 20")
        with pytest.raises(OutputError, match="full"):
            cached.caption([image(n) for n in range(300)])
        assert (cached.hits, cached.misses) == (0, 1)
        cached.caption([image(0)])
        assert cached.hits == 1


def test_a_locked_cache_is_an_error(filled, monkeypatch):
    monkeypatch.setattr(caption_cache, "WAIT", 0.05)
    holder = sqlite3.connect(filled, isolation_level=None)
    with CachedCaptioner(Counting(), filled) as cached:
        holder.execute("BEGIN IMMEDIATE")
        assert cached.caption([image(1)])[0].text == "number 1"  # reading goes on
        with pytest.raises(OutputError, match="other processes have locked it"):
            cached.caption([image(1000)])
        with pytest.raises(OutputError, match="other processes have locked it"):
            CachedCaptioner(Counting(), filled)
        holder.execute("ROLLBACK")
        assert cached.caption([image(1000)])[0].text == "number 1000"
    holder.close()


def test_a_closed_cache_is_an_error(path):
    cached = CachedCaptioner(Counting(), path)
    cached.caption([image(1)])
    cached.close()
    cached.close()
    with pytest.raises(UsageError, match="the cache is closed"):
        cached.caption([image(1)])


def test_nothing_of_the_log_is_left_when_it_is_closed(filled):
    assert [file.name for file in filled.parent.iterdir()] == [filled.name]


def test_a_relative_path_is_that_of_the_moment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with CachedCaptioner(Counting(), Path(":memory:")) as cached:  # a name like any other
        cached.caption([image(1)])
    assert (tmp_path / ":memory:").is_file()


def test_a_log_probability_that_is_not_known_stays_so(path):
    class Unsure(Counting):
        def caption(self, photos):
            return [Caption("a dog", math.nan) for _ in photos]

    for _ in range(2):
        with CachedCaptioner(Unsure(), path) as cached:
            assert math.isnan(cached.caption([image(1)])[0].logprob)


def test_a_caption_that_cannot_be_kept_takes_no_others_with_it(path):
    class Odd(Counting):
        def caption(self, photos):
            return [Caption("\udcff", -1.0) if photo.source == "odd" else caption_of(photo) for photo in photos]

    with CachedCaptioner(Odd(), path) as cached:
        (outcomes,) = run([image(1), image(2, "odd"), image(3)], cached.caption)
        assert [isinstance(outcome.result, Caption) for outcome in outcomes] == [True, False, True]
        assert outcomes[1].result.error.kind == "model_failed"
        assert cached.misses == 2
