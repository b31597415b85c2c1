"""Runs requests: admits their images in turns, fetches, decodes and batches them, and collects the results."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from imagist.errors import ImageTooLarge, ItemError
from imagist.images import fetch
from imagist.records import Failure, Photo
from imagist.serving.batching import Batcher, Work, late
from imagist.serving.decoders import Decoders, ProcessDecoders, ThreadDecoders
from imagist.serving.gate import FairGate
from imagist.serving.inputs import Input
from imagist.serving.models import ServedModel
from imagist.serving.monitoring import Log, Metrics
from imagist.serving.problems import busy
from imagist.serving.settings import ServerSettings

_FETCHES = 8  # addresses at a time
_SMOOTHING = 0.1  # of the measured images a second


class Service:
    """The models with what feeds them. Start it in the event loop that its requests run in.

    Args:
        models: By name; the first is the default.
        settings: See `ServerSettings`.
        log: Where events go.
    """

    def __init__(self, models: Mapping[str, ServedModel], settings: ServerSettings, log: Log | None = None) -> None:
        self.models, self.settings = dict(models), settings
        self.metrics, self.log = Metrics(), log or Log()
        self.draining = False
        self._admitted = 0
        self._arriving = 0  # images that are being decoded, and requests whose bodies are being read
        self._speed = 0.0  # images a second, a running mean
        self._decoders: Decoders | None = None
        self._batchers: dict[str, Batcher] = {}
        self._fetching = ThreadPoolExecutor(_FETCHES, thread_name_prefix="imagist-fetch")
        workers = sum(model.concurrency for model in self.models.values())
        self._gate = FairGate(max(4, 2 * workers * settings.batch_size))
        self.metrics.gauge("imagist_queue_depth", "Images that wait or are worked on", lambda: self._admitted)
        self.metrics.gauge("imagist_decoded_waiting", "Decoded images that wait for a batch", self._waiting)

    def start(self) -> None:
        """Starts decoders and batchers."""
        own = self.settings
        self._decoders = (
            ProcessDecoders(own.decoders, own.limits, own.decode_timeout_s, self.metrics)
            if own.decoders
            else ThreadDecoders(own.limits)
        )
        for name, model in self.models.items():
            self._batchers[name] = Batcher(model.concurrency, own.batch_wait_s, lambda: self._arriving, self.metrics)

    def stop(self) -> None:
        """Ends them, once what was accepted is done."""
        self.draining = True
        for batcher in self._batchers.values():
            batcher.close()
        if self._decoders is not None:
            self._decoders.close()
        self._fetching.shutdown(cancel_futures=True)

    @property
    def ready(self) -> bool:
        """Whether requests can be worked on."""
        return not self.draining and self._decoders is not None and self._decoders.ready

    @contextlib.contextmanager
    def reading(self) -> Any:
        """While a body is read: its images are on their way."""
        self._arriving += 1
        try:
            with self.metrics.stage("read").time():
                yield
        finally:
            self._arriving -= 1

    async def run(self, model: ServedModel, images: Sequence[Input], work: Work, timeout_s: float | None) -> list[Any]:
        """For each image its result or its `Failure`, in order. Cancelled, it gives up all that has not begun.

        Args:
            model: Whose work it is.
            images: N.
            work: What to do with each.
            timeout_s: Seconds for all, at most the service's own limit; None is that.

        Raises:
            Problem: 503, the queue is full.
            ImagistError: The work cannot be done at all.
        """
        if self._admitted + len(images) > self.settings.max_queue:
            after = self._admitted / self._speed if self._speed else 1.0
            raise busy(503, "queue_full", "too many images wait already", min(after, 60.0))
        seconds = min(timeout_s or self.settings.timeout_s, self.settings.timeout_s)
        deadline = time.monotonic() + seconds
        self._admitted += len(images)
        begin = time.monotonic()
        request = object()
        tasks = [asyncio.create_task(self._one(request, image, model, work, deadline)) for image in images]
        try:
            done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
            pairs = zip(tasks, images, strict=True)
            results = [task.result() if task in done else late(image.source) for task, image in pairs]
        finally:
            for task in tasks:
                task.cancel()
            self._admitted -= len(images)
        self._count(results, time.monotonic() - begin)
        return results

    async def _one(self, request: object, image: Input, model: ServedModel, work: Work, deadline: float) -> Any:
        try:
            content = image.content if image.content is not None else await self._fetched(image)
            await self._gate.enter(request)
            try:
                photo = await self._decoded(content, image.source)
                return await self._batchers[model.name].submit(photo, work, deadline)
            finally:
                self._gate.leave()
        except ItemError as error:
            return Failure(image.source, error)

    async def _fetched(self, image: Input) -> bytes:
        own = self.settings
        get = partial(
            fetch, image.url or "", own.limits, own.url_timeout_s, deadline_s=own.url_timeout_s, public_only=True
        )
        return await asyncio.get_running_loop().run_in_executor(self._fetching, get)

    async def _decoded(self, content: bytes, source: str) -> Photo:
        if len(content) > self.settings.max_image_bytes:
            limit = f"{self.settings.max_image_bytes / 2**20:g} MiB"
            raise ImageTooLarge(f"{len(content) / 2**20:.1f} MiB, over the limit of {limit}", item=source)
        assert self._decoders is not None
        self._arriving += 1
        try:
            with self.metrics.stage("decode").time():
                return await self._decoders.decode(content, source)
        finally:
            self._arriving -= 1

    def _waiting(self) -> int:
        return sum(batcher.depth for batcher in self._batchers.values())

    def _count(self, results: Sequence[Any], seconds: float) -> None:
        for result in results:
            if isinstance(result, Failure):
                self.metrics.errors.labels(result.error.kind).inc()
            else:
                self.metrics.images.inc()
        # Of the images that were in work beside these, about as many came out in that time.
        speed = (self._admitted + len(results)) / max(seconds, 1e-3)
        self._speed = speed if not self._speed else (1 - _SMOOTHING) * self._speed + _SMOOTHING * speed
