"""Dynamic micro-batching: images of different requests that want the same work share batches.

Each of a few threads takes what waits, up to a batch, the longest waiting first. A batch that is not full waits a
moment if more images are on their way to it, and not otherwise: a single image on an idle service is worked on at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagist.arrays import one_thread
from imagist.errors import DeadlinePassed, ModelFailed
from imagist.images.stream import attempt
from imagist.records import Failure, Photo
from imagist.serving.monitoring import Metrics


@dataclass(frozen=True, eq=False)
class Work:
    """What is done with images; images whose work has the same key share batches.

    Attributes:
        key: Names the work with all settings that its results depend on.
        call: N photos to N results, in order.
        batch_size: Most photos of a call, >= 1.
        heavy: Whether it takes so long that it must leave a thread to other work.
        about: What clients are told of it, beside the results.
    """

    key: Hashable
    call: Callable[[Sequence[Photo]], Sequence[Any]]
    batch_size: int
    heavy: bool = False
    about: Mapping[str, object] = field(default_factory=dict)


@dataclass(eq=False)
class _Item:
    photo: Photo
    deadline: float
    loop: asyncio.AbstractEventLoop
    result: asyncio.Future[Any]
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """Works on photos in batches, in threads of its own.

    Args:
        workers: Batches at a time, >= 1: as many as the model takes.
        batch_wait_s: Longest wait for more images, in seconds.
        arriving: How many images are on their way to it.
        metrics: Counts batches.
    """

    def __init__(self, workers: int, batch_wait_s: float, arriving: Callable[[], int], metrics: Metrics) -> None:
        self._wait_s, self._arriving, self._metrics = batch_wait_s, arriving, metrics
        self._ready = threading.Condition()
        self._queues: OrderedDict[Hashable, tuple[Work, deque[_Item]]] = OrderedDict()
        self._closed = False
        self._heavy, self._most_heavy = 0, max(1, workers - 1)
        self._threads = [threading.Thread(target=self._run, name=f"imagist-batch-{n}") for n in range(workers)]
        for thread in self._threads:
            thread.start()

    async def submit(self, photo: Photo, work: Work, deadline: float) -> Any:
        """The result of the work for one photo, or its `Failure`. When the caller is cancelled, the photo is dropped.

        Args:
            photo: The photo.
            work: What to do with it.
            deadline: When the result is of no use any more, by the monotonic clock, in seconds.

        Raises:
            ImagistError: The work cannot be done at all.
        """
        loop = asyncio.get_running_loop()
        item = _Item(photo, deadline, loop, loop.create_future())
        with self._ready:
            self._queues.setdefault(work.key, (work, deque()))[1].append(item)
            self._ready.notify_all()
        return await item.result

    @property
    def depth(self) -> int:
        """Images that wait for a batch."""
        with self._ready:
            return sum(len(items) for _, items in self._queues.values())

    def close(self) -> None:
        """Ends the threads once what waits is done."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            work, batch = taken
            try:
                with one_thread:
                    results = self._results(work, batch)
            finally:
                with self._ready:
                    self._heavy -= work.heavy
                    self._ready.notify_all()
            _deliver(batch, results)

    def _take(self) -> tuple[Work, list[_Item]] | None:
        """The next batch; None when the batcher is closed and all is done."""
        with self._ready:
            while True:
                key = self._oldest()
                if key is None:
                    if self._closed and not self._queues:
                        return None
                    self._ready.wait(0.5)
                    continue
                work, items = self._queues[key]
                until = items[0].since + self._wait_s
                while len(items) < work.batch_size and self._arriving() and (left := until - time.monotonic()) > 0:
                    self._ready.wait(left)
                if self._queues.get(key, (None, None))[1] is not items or not items:
                    continue  # another thread took them meanwhile
                batch = [items.popleft() for _ in range(min(work.batch_size, len(items)))]
                if not items:
                    del self._queues[key]
                self._heavy += work.heavy
                return work, batch

    def _oldest(self) -> Hashable | None:
        """The key of the work whose first image waits longest, among those that may begin."""
        open_ = [
            (items[0].since, key)
            for key, (work, items) in self._queues.items()
            if not (work.heavy and self._heavy >= self._most_heavy)
        ]
        return min(open_, key=lambda pair: pair[0])[1] if open_ else None

    def _results(self, work: Work, batch: list[_Item]) -> list[Any]:
        """For each item its result, a `Failure`, or what the work raised; None for those that nobody waits for."""
        begin = time.monotonic()
        results: list[Any] = [None] * len(batch)
        alive = []
        for place, item in enumerate(batch):
            if item.deadline < begin:
                results[place] = late(item.photo.source)
            elif not item.result.cancelled():
                alive.append(place)
        self._metrics.stage("queue").observe(begin - batch[0].since)
        if alive:
            self._metrics.batch_sizes.observe(len(alive))
            with self._metrics.stage("model").time():
                for place, result in zip(alive, _worked(work, [batch[n].photo for n in alive]), strict=True):
                    results[place] = result
        return results


def late(source: str) -> Failure:
    """The failure of an image whose deadline has passed."""
    return Failure(source, DeadlinePassed("no result in time", item=source, remedy="ask again, or for fewer images"))


def _worked(work: Work, photos: list[Photo]) -> Sequence[Any]:
    try:
        return attempt(work.call, photos)
    except Exception as error:
        return [error] * len(photos)


def _deliver(batch: list[_Item], results: list[Any]) -> None:
    """Hands the results over to the event loops that wait for them."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for item, result in zip(batch, results, strict=True):
        by_loop.setdefault(item.loop, []).append((item.result, result))
    for loop, pairs in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_set, pairs)


def _set(pairs: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in pairs:
        if future.done():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        elif result is None:
            future.set_exception(ModelFailed("the work was given up"))
        else:
            future.set_result(result)
