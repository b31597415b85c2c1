"""Decodes images in processes of their own, so that no file can stall or kill the service.

A process that crashes on an image, or takes too long for it, is replaced; only that image fails.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Protocol

import numpy as np

from imagist import errors
from imagist.errors import CorruptImage, DecodeTimeout, ItemError
from imagist.images import DecodeLimits, decode
from imagist.records import Photo
from imagist.serving.decoder_process import READY
from imagist.serving.monitoring import Metrics

_COMMAND = (sys.executable, "-m", "imagist.serving.decoder_process")
_CHECK_S = 0.05  # between looks for decoders that hang
_START_S = 60.0
_MOST_HEAD = 1 << 16  # bytes
_CRASHED = "the decoder crashed on it"


class Decoders(Protocol):
    """Decodes images for an event loop."""

    async def decode(self, content: bytes, source: str) -> Photo:
        """The photo of an encoded image.

        Raises:
            ItemError: It cannot be decoded.
        """
        ...

    @property
    def ready(self) -> bool:
        """Whether images can be decoded."""
        ...

    def close(self) -> None:
        """Ends its processes and threads."""
        ...


class ThreadDecoders:
    """Decodes in threads of this process.

    Args:
        limits: Bounds on bytes, pixels and time.
    """

    ready = True

    def __init__(self, limits: DecodeLimits) -> None:
        self._limits = limits

    async def decode(self, content: bytes, source: str) -> Photo:
        """See `Decoders`."""
        return await asyncio.to_thread(decode, content, source=source, limits=self._limits)

    def close(self) -> None:
        """Nothing to do."""


class ProcessDecoders:
    """Decodes in processes, each with a thread that feeds it.

    Args:
        count: Processes, >= 1.
        limits: Bounds on bytes, pixels and processor time.
        timeout_s: Longest time for an image, in seconds; then its process is killed.
        metrics: Counts replaced processes.
    """

    def __init__(self, count: int, limits: DecodeLimits, timeout_s: float, metrics: Metrics) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._seats = [_Seat(limits, timeout_s, metrics) for _ in range(count)]
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(seat,), name="imagist-decode") for seat in self._seats
        ]
        self._watch = threading.Thread(target=self._kill_late, name="imagist-decode-watch")
        for thread in (*self._threads, self._watch):
            thread.start()

    async def decode(self, content: bytes, source: str) -> Photo:
        """See `Decoders`."""
        loop = asyncio.get_running_loop()
        job = _Job(content, source, loop, loop.create_future())
        self._jobs.put(job)
        return await job.result

    @property
    def ready(self) -> bool:
        """Whether all processes have started."""
        return all(seat.ready for seat in self._seats)

    @property
    def processes(self) -> list[int]:
        """The ids of the processes that run."""
        return [process.pid for seat in self._seats if (process := seat.process) is not None]

    def close(self) -> None:
        """Ends the processes."""
        self._closed.set()
        for _ in self._seats:
            self._jobs.put(None)
        for thread in (*self._threads, self._watch):
            thread.join()

    def _run(self, seat: _Seat) -> None:
        seat.start()
        while (job := self._jobs.get()) is not None:
            if job.result.cancelled():
                continue
            try:
                job.deliver(seat.decode(job.content, job.source))
            except Exception as error:
                job.deliver(error if isinstance(error, ItemError) else CorruptImage(_CRASHED, item=job.source))
            if seat.process is None and not self._closed.is_set():
                seat.start()
        seat.stop()

    def _kill_late(self) -> None:
        while not self._closed.wait(_CHECK_S):
            for seat in self._seats:
                seat.kill_if_late()


class _Job:
    """An image to decode, and who waits for it."""

    def __init__(
        self, content: bytes, source: str, loop: asyncio.AbstractEventLoop, result: asyncio.Future[Photo]
    ) -> None:
        self.content, self.source, self.loop, self.result = content, source, loop, result

    def deliver(self, found: Photo | Exception) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._set, found)

    def _set(self, found: Photo | Exception) -> None:
        if self.result.done():
            return
        if isinstance(found, Photo):
            self.result.set_result(found)
        else:
            self.result.set_exception(found)


class _Seat:
    """One process at a time, for one thread; another thread kills it when it is late."""

    def __init__(self, limits: DecodeLimits, timeout_s: float, metrics: Metrics) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.ready = False
        self._limits, self._timeout_s, self._metrics = limits, timeout_s, metrics
        self._ends = math.inf
        self._late = False

    def start(self) -> None:
        """Starts a process and waits until it can decode."""
        self._ends, self._late = time.monotonic() + _START_S, False
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [*_COMMAND, json.dumps(asdict(self._limits))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert self.process.stdout is not None
        self.ready = self.process.stdout.read(len(READY)) == READY
        self._ends = math.inf
        if not self.ready:
            self.stop()
            time.sleep(_CHECK_S)

    def decode(self, content: bytes, source: str) -> Photo:
        """Decodes one image in the process; where that ends over it, ``process`` is None afterwards.

        Raises:
            ItemError: It cannot be decoded.
        """
        if self.process is not None and self.process.poll() is not None:  # it ended while it had nothing to do
            self.stop()
            self._metrics.decoders_replaced.inc()
            self.start()
        if self.process is None:
            raise CorruptImage("there is no decoder", item=source, remedy="ask again")
        self._ends = time.monotonic() + self._timeout_s
        try:
            return self._exchange(self.process, content, source)
        except (OSError, ValueError) as error:
            late = self._late
            self.stop()
            self._metrics.decoders_replaced.inc()
            if late:
                raise DecodeTimeout(f"not decoded after {self._timeout_s:g} s", item=source) from error
            raise CorruptImage(_CRASHED, item=source) from error
        finally:
            self._ends = math.inf

    def _exchange(self, process: subprocess.Popen[bytes], content: bytes, source: str) -> Photo:
        """Raises OSError or ValueError where the process ended or does not keep to the protocol."""
        requests, answers = process.stdin, process.stdout
        assert requests is not None
        assert answers is not None
        requests.write(len(content).to_bytes(8, "big"))
        requests.write(content)
        requests.flush()
        length = int.from_bytes(_exactly(answers.read(4), 4), "big")
        if length > _MOST_HEAD:
            raise ValueError("not an answer")
        head = json.loads(_exactly(answers.read(length), length))
        if "error" in head:
            raise _error(head, source)
        shape = self._checked(head["shape"])
        count = math.prod(shape)
        pixels = np.frombuffer(_exactly(answers.read(count), count), np.uint8).reshape(shape)
        width, height = map(int, head["size"])
        return Photo(pixels, source, (width, height))

    def _checked(self, shape: list[int]) -> tuple[int, int, int]:
        height, width, channels = map(int, shape)
        most = 8 * self._limits.work_side
        if not (0 < height <= most and 0 < width <= most and channels == 3):
            raise ValueError("not the shape of a photo")
        return height, width, channels

    def kill_if_late(self) -> None:
        """Kills the process where it takes too long; called by another thread."""
        process = self.process
        if process is not None and time.monotonic() > self._ends:
            self._late = True
            process.kill()

    def stop(self) -> None:
        """Ends the process."""
        process, self.process, self.ready = self.process, None, False
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:  # what was not written yet cannot be any more
                pass
        process.wait()


def _exactly(content: bytes, count: int) -> bytes:
    if len(content) != count:
        raise ValueError("the answer is cut short")
    return content


def _error(head: Mapping[str, object], source: str) -> ItemError:
    kinds = {cls("").kind: cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, ItemError)}
    remedy = head.get("remedy")
    kind = kinds.get(str(head["error"]), CorruptImage)
    return kind(str(head.get("message")), item=source, remedy=None if remedy is None else str(remedy))
