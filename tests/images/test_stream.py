"""Images in, outcomes out: order, isolation, look-ahead and an end without leftovers."""

from __future__ import annotations

import threading
from itertools import count

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagist.errors import CorruptImage, ImagistError, MissingExtra, ModelFailed, UsageError
from imagist.images.stream import run
from imagist.records import Failure, Photo, Row

BAD = CorruptImage("is broken")


def photo(number):
    return Photo(np.full((1, 1, 3), number % 256, np.uint8), str(number))


def numbers(photos):
    return [int(p.source) for p in photos]


def flat(outcomes):
    return [outcome for batch in outcomes for outcome in batch]


def own_threads():
    return [t for t in threading.enumerate() if t.name.startswith(("imagist-work", "imagist-load"))]


@pytest.fixture(autouse=True)
def _nothing_is_left_behind():
    yield
    assert not own_threads()


@settings(max_examples=30)
@given(st.lists(st.booleans(), max_size=25), st.integers(1, 7), st.integers(1, 3), st.integers(1, 4))
def test_each_image_comes_out_once_and_in_order(good, batch_size, workers, concurrency):
    images = [photo(i) if fine else Row(str(i), error=BAD) for i, fine in enumerate(good)]
    batches = list(run(images, numbers, batch_size=batch_size, workers=workers, concurrency=concurrency))
    assert all(1 <= len(batch) <= batch_size for batch in batches)
    outcomes = flat(batches)
    assert [o.source for o in outcomes] == images
    for i, (outcome, fine) in enumerate(zip(outcomes, good, strict=True)):
        if fine:
            assert outcome.result == i
            assert outcome.photo is images[i]
        else:
            assert outcome.photo is None
            assert isinstance(outcome.result.error, CorruptImage)
            assert outcome.result.source == str(i)


def test_batches_run_at_the_same_time():
    together = threading.Barrier(3, timeout=30)

    def work(photos):
        together.wait()
        return numbers(photos)

    outcomes = flat(run(map(photo, range(6)), work, batch_size=1, concurrency=3))
    assert [o.result for o in outcomes] == [*range(6)]


def test_without_concurrency_one_batch_runs_at_a_time():
    busy = threading.Lock()

    def work(photos):
        assert busy.acquire(blocking=False)
        busy.release()
        return numbers(photos)

    assert [o.result for o in flat(run(map(photo, range(9)), work, batch_size=2))] == [*range(9)]


def test_a_slow_first_batch_keeps_its_place():
    second_done = threading.Event()

    def work(photos):
        assert numbers(photos) != [0] or second_done.wait(30)
        second_done.set()
        return numbers(photos)

    assert [o.result for o in flat(run(map(photo, range(4)), work, batch_size=1, concurrency=2))] == [0, 1, 2, 3]


def test_of_a_failing_batch_only_the_culprits_are_lost():
    calls = []

    def work(photos):
        calls.append(numbers(photos))
        if {2, 5} & {*numbers(photos)}:
            raise ValueError("odd shape")
        return numbers(photos)

    outcomes = flat(run(map(photo, range(8)), work, batch_size=4))
    assert [o.source.source for o in outcomes if isinstance(o.result, Failure)] == ["2", "5"]
    assert [o.result for o in outcomes if not isinstance(o.result, Failure)] == [0, 1, 3, 4, 6, 7]
    error = outcomes[2].result.error
    assert type(error) is ModelFailed
    assert str(error) == "2: the model raised ValueError: odd shape"
    assert outcomes[2].photo is not None
    assert calls == [[0, 1, 2, 3], [0], [1], [2], [3], [4, 5, 6, 7], [4], [5], [6], [7]]


def test_an_error_of_an_item_stays_as_it_is():
    def work(photos):
        raise BAD

    (outcome,) = flat(run([photo(0)], work))
    assert outcome.result.error is BAD


@pytest.mark.parametrize("results", [[], [1, 2, 3]])
def test_a_model_that_loses_count_fails_the_photos_and_not_the_run(results):
    outcomes = flat(run(map(photo, range(2)), lambda photos: results))
    assert [type(o.result.error) for o in outcomes] == [ModelFailed, ModelFailed]
    assert "results for 1 photos" in str(outcomes[0].result.error)


@pytest.mark.parametrize("error", [UsageError("wrong"), MissingExtra("torch"), ImagistError("x"), KeyboardInterrupt()])
@pytest.mark.parametrize("concurrency", [1, 2])
def test_what_is_wrong_with_the_call_ends_it(error, concurrency):
    def work(photos):
        if 3 in numbers(photos):
            raise error
        return numbers(photos)

    seen = []
    with pytest.raises(type(error)) as caught:
        seen.extend(
            o.result
            for batch in run(map(photo, range(100)), work, batch_size=1, concurrency=concurrency)
            for o in batch
        )
    assert caught.value is error
    assert seen == [0, 1, 2]


def test_work_is_never_called_without_photos():
    outcomes = flat(run([Row("0", error=BAD), Row("1", error=BAD)], lambda photos: pytest.fail("called")))
    assert len(outcomes) == 2


@pytest.mark.parametrize("concurrency", [1, 3])
def test_an_endless_source_is_read_only_so_far_ahead(concurrency):
    taken = 0

    def images():
        nonlocal taken
        for i in count():
            taken += 1
            yield photo(i)

    outcomes = run(images(), numbers, batch_size=4, concurrency=concurrency)
    for i in range(20):
        batch = next(outcomes)
        assert [o.result for o in batch] == [*range(4 * i, 4 * i + 4)]
        assert taken - 4 * (i + 1) <= 4 * (concurrency + 1) + 2 * 4
    outcomes.close()


def test_a_slow_model_holds_the_source_back():
    release, taken = threading.Event(), 0

    def work(photos):
        assert release.wait(30)
        return numbers(photos)

    def images():
        nonlocal taken
        for i in range(1000):
            taken += 1
            yield photo(i)

    outcomes = run(images(), work, batch_size=2, concurrency=2)
    threading.Timer(0.3, release.set).start()
    next(outcomes)
    assert taken <= 2 * (2 + 1) + 2 * 2 + 1
    outcomes.close()


def test_nothing_is_read_before_the_first_result_is_wanted():
    def images():
        pytest.fail("read")
        yield

    run(images(), numbers)


def test_an_early_end_leaves_no_threads():
    outcomes = run(map(photo, count()), numbers, batch_size=2, workers=3, concurrency=3)
    next(outcomes)
    assert own_threads()
    outcomes.close()
    assert not own_threads()


def test_a_source_that_fails_gives_what_came_before():
    def images():
        yield from map(photo, range(5))
        raise OSError("the disk is gone")

    seen = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(o.result for batch in run(images(), numbers, batch_size=1) for o in batch)
    assert seen == [*range(len(seen))]


@pytest.mark.parametrize("setting", ["batch_size", "workers", "concurrency"])
@pytest.mark.parametrize("value", [0, -1])
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(UsageError, match=setting):
        list(run([photo(0)], numbers, **{setting: value}))
