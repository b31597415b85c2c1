import io
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagist.errors import CorruptImage, EmptyFile, ImageTooLarge, SourceNotFound
from imagist.images import DecodeLimits, load
from imagist.records import Failure, Photo, Row


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (3, 2), value).save(file, "PNG")
    return file.getvalue()


def numbered(count: int) -> list[Row]:
    return [Row(f"{i}", png(i % 256), {"i": i}) for i in range(count)]


def loading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("imagist-load")]


@pytest.fixture
def patched(monkeypatch):
    """Replaces what decodes a row."""

    def patch(function):
        monkeypatch.setattr("imagist.images.loader.as_photo", function)

    return patch


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("ahead", [1, 3, 64])
def test_rows_come_out_once_and_in_order(workers, ahead):
    rows = numbered(50)
    out = list(load(rows, workers=workers, ahead=ahead))
    assert [row for row, _ in out] == rows
    for i, (_, photo) in enumerate(out):
        assert isinstance(photo, Photo)
        assert photo.source == str(i)
        assert (photo.pixels == i).all()


def test_order_is_kept_where_the_first_takes_longest(patched):
    release = threading.Event()

    def decode(row, *, limits):
        if row.source == "0":
            assert release.wait(30)
        elif row.source == "7":
            release.set()
        return Photo(np.zeros((1, 1, 3), np.uint8), row.source)

    patched(decode)
    assert [photo.source for _, photo in load(numbered(20), workers=2)] == [str(i) for i in range(20)]


def test_failures_stand_in_their_place():
    rows = [
        Row("a", png(1)),
        Row("b", b""),
        Row("c", b"junk"),
        Row("none.jpg"),
        Row("e", error=SourceNotFound("x")),
        Row("f", png(2)),
    ]
    out = [result for _, result in load(rows)]
    assert [type(r.error) if isinstance(r, Failure) else None for r in out[:2]] == [None, EmptyFile]
    assert [r.source for r in out] == ["a", "b", "c", "none.jpg", "e", "f"]
    assert [isinstance(r, Failure) for r in out] == [False, True, True, True, True, False]


def test_a_failure_holds_no_traceback_and_so_no_bytes():
    ((_, failure),) = load([Row("b", b"\xff\xd8\xff" + bytes(100))])
    assert isinstance(failure.error, CorruptImage)
    assert (failure.error.__traceback__, failure.error.__cause__) == (None, None)


@pytest.mark.parametrize(
    ("raised", "typed"),
    [(ZeroDivisionError("x"), CorruptImage), (MemoryError(), ImageTooLarge), (RecursionError(), CorruptImage)],
)
def test_a_fault_of_the_decoder_costs_one_row(patched, raised, typed):
    def decode(row, *, limits):
        if row.source == "1":
            raise raised
        return Photo(np.zeros((1, 1, 3), np.uint8), row.source)

    patched(decode)
    out = [result for _, result in load(numbered(3))]
    assert isinstance(out[1], Failure)
    assert isinstance(out[1].error, typed)
    assert out[1].error.item == "1"
    assert [isinstance(out[0], Photo), isinstance(out[2], Photo)] == [True, True]


def test_no_more_than_ahead_is_taken():
    taken = 0

    def rows():
        nonlocal taken
        for row in numbered(100):
            taken += 1
            yield row

    loaded = load(rows(), ahead=5)
    for done in range(1, 20):
        next(loaded)
        assert taken <= done + 5
    loaded.close()


def test_nothing_starts_before_it_is_asked_for():
    def rows():
        pytest.fail("taken")
        yield

    load(rows()).close()


def test_stopping_early_ends_the_threads():
    loaded = load(numbered(1000), ahead=50)
    next(loaded)
    assert loading_threads()
    loaded.close()
    assert loading_threads() == []


def test_an_interrupt_of_the_consumer_ends_the_threads():
    loaded = load(numbered(100))
    next(loaded)
    with pytest.raises(KeyboardInterrupt):
        loaded.throw(KeyboardInterrupt)
    assert loading_threads() == []


def test_what_was_taken_comes_out_before_the_failure_of_the_rows():
    def rows():
        yield from numbered(7)
        raise OSError("disk")

    kept: list[str] = []
    with pytest.raises(OSError, match="disk"):
        kept.extend(row.source for row, _ in load(rows(), ahead=64))
    assert kept == [str(i) for i in range(7)]


def test_a_slow_source_does_not_hold_back_what_is_done():
    def rows():
        yield from numbered(2)
        while True:  # until the consumer, who has the first, closes
            time.sleep(0.01)
            yield Row("later", png(0))

    loaded = load(rows(), ahead=1_000_000)
    assert next(loaded)[0].source == "0"
    loaded.close()


def test_limits_are_passed_on():
    ((_, photo),) = load([Row("a", png(3))], limits=DecodeLimits(work_side=1))
    assert photo.pixels.shape[0] == 1
    ((_, failure),) = load([Row("a", png(3))], limits=DecodeLimits(max_bytes=3))
    assert isinstance(failure.error, ImageTooLarge)


def test_no_rows():
    assert list(load([])) == []


def test_files(tmp_path: Path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    out = list(load([Row(str(tmp_path / f"{i}.png")) for i in range(3)]))
    assert [int(photo.pixels[0, 0, 0]) for _, photo in out] == [0, 1, 2]


def test_threads_that_decode_do_not_warn():
    """A TIFF whose directory is cut short makes Pillow warn, and warnings are errors here."""
    odd = b"II*\0\x08\0\0\0\x02\0\0\1\4\0\1\0\0\0\1\0\0\0"
    for _, failure in load([Row(str(i), odd) for i in range(8)], workers=4):
        assert isinstance(failure.error, CorruptImage)
        assert "Missing dimensions" in str(failure.error)
