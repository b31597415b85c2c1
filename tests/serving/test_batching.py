from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest

from imagist.errors import DeadlinePassed, ModelFailed, UsageError
from imagist.records import Failure, Photo
from imagist.serving.batching import Batcher, Work
from imagist.serving.monitoring import Metrics

FAR = time.monotonic() + 1e6


def photos(count):
    return [Photo(np.full((2, 2, 3), n, np.uint8), str(n)) for n in range(count)]


def names(batch):
    return [photo.source for photo in batch]


class Recorder:
    """Work that keeps what it is given, and waits until it may go on."""

    def __init__(self, answer=names):
        self.batches, self.go, self.answer = [], threading.Event(), answer

    def __call__(self, batch):
        self.batches.append(names(batch))
        assert self.go.wait(20)
        return self.answer(batch)


def run(body, workers=1, arriving=lambda: 0):
    """Runs ``body(batcher)``."""
    batcher = Batcher(workers, 0.2, arriving, Metrics())
    try:
        return asyncio.run(asyncio.wait_for(body(batcher), 20))
    finally:
        batcher.close()


async def queued(batcher, count):
    while batcher.depth != count:
        await asyncio.sleep(0.001)


async def begun(work, count):
    while len(work.batches) < count:
        await asyncio.sleep(0.001)


def test_those_who_wait_share_a_batch_and_get_their_own_results():
    work = Recorder()

    async def body(batcher):
        first = asyncio.create_task(batcher.submit(photos(1)[0], Work("a", work, 4), FAR))
        await begun(work, 1)
        rest = [asyncio.create_task(batcher.submit(photo, Work("a", work, 4), FAR)) for photo in photos(6)]
        await queued(batcher, 6)
        work.go.set()
        return await asyncio.gather(first, *rest)

    assert run(body) == ["0", *"012345"]
    assert [len(batch) for batch in work.batches] == [1, 4, 2]


def test_other_work_has_batches_of_its_own_in_the_order_of_arrival():
    work = Recorder()

    async def body(batcher):
        tasks = [asyncio.create_task(batcher.submit(photos(1)[0], Work("a", work, 4), FAR))]
        await begun(work, 1)
        for number, key in enumerate(("b", "a", "b")):
            tasks.append(asyncio.create_task(batcher.submit(photos(3)[number], Work(key, work, 4), FAR)))
            await queued(batcher, number + 1)
        work.go.set()
        await asyncio.gather(*tasks)

    run(body)
    assert work.batches == [["0"], ["0", "2"], ["1"]]


def test_a_batch_waits_for_images_on_their_way_and_for_nothing_else():
    for arriving, sizes in ((0, [1, 1]), (1, [2])):
        work = Recorder()
        work.go.set()

        async def body(batcher, work=work):
            await asyncio.gather(*(delayed(batcher, work, n) for n in range(2)))

        async def delayed(batcher, work, number):
            await asyncio.sleep(0.05 * number)
            await batcher.submit(photos(2)[number], Work("a", work, 2), FAR)

        run(body, arriving=lambda arriving=arriving: arriving)
        assert [len(batch) for batch in work.batches] == sizes


def test_the_cancelled_and_the_late_cost_nothing():
    work = Recorder()

    async def body(batcher):
        first = asyncio.create_task(batcher.submit(photos(1)[0], Work("a", work, 4), FAR))
        await begun(work, 1)
        gone = asyncio.create_task(batcher.submit(photos(2)[1], Work("a", work, 4), FAR))
        late = asyncio.create_task(batcher.submit(photos(3)[2], Work("a", work, 4), time.monotonic()))
        kept = asyncio.create_task(batcher.submit(photos(4)[3], Work("a", work, 4), FAR))
        await queued(batcher, 3)
        gone.cancel()
        await asyncio.sleep(0)
        work.go.set()
        return await first, await late, await kept

    _, late, kept = run(body)
    assert isinstance(late, Failure)
    assert isinstance(late.error, DeadlinePassed)
    assert kept == "3"
    assert work.batches == [["0"], ["3"]]


def test_only_the_photo_at_fault_fails():
    def answer(batch):
        if any(photo.source == "1" for photo in batch):
            raise ValueError("broken")
        return names(batch)

    work = Recorder(answer)
    work.go.set()

    async def body(batcher):
        return await asyncio.gather(*(batcher.submit(photo, Work("a", work, 4), FAR) for photo in photos(3)))

    first, broken, last = run(body, arriving=lambda: 1)
    assert (first, last) == ("0", "2")
    assert isinstance(broken.error, ModelFailed)


def test_work_that_cannot_be_done_raises_for_all():
    def answer(_):
        raise UsageError("no such language")

    work = Recorder(answer)
    work.go.set()

    async def body(batcher):
        for _ in range(2):
            with pytest.raises(UsageError, match="no such language"):
                await batcher.submit(photos(1)[0], Work("a", work, 4), FAR)

    run(body)


def test_heavy_work_leaves_a_thread_to_other_work():
    heavy, light = Recorder(), Recorder()
    light.go.set()

    async def body(batcher):
        slow = [asyncio.create_task(batcher.submit(photo, Work("h", heavy, 1, heavy=True), FAR)) for photo in photos(3)]
        await begun(heavy, 1)
        assert await batcher.submit(photos(1)[0], Work("l", light, 1), FAR) == "0"
        assert len(heavy.batches) == 1
        heavy.go.set()
        await asyncio.gather(*slow)

    run(body, workers=2)
    assert len(heavy.batches) == 3


def test_closing_finishes_what_was_accepted():
    work = Recorder()
    work.go.set()

    async def body():
        batcher = Batcher(1, 0.0, lambda: 0, Metrics())
        tasks = [asyncio.create_task(batcher.submit(photo, Work("a", work, 2), FAR)) for photo in photos(5)]
        await asyncio.sleep(0)
        await asyncio.to_thread(batcher.close)
        return await asyncio.gather(*tasks)

    assert asyncio.run(body()) == [*"01234"]
