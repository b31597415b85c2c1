"""What a service counts, for Prometheus; and its log, a JSON object a line."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from typing import TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
STAGES = ("read", "decode", "queue", "model")
"""The stages of a request: reading its body; decoding an image; waiting for a batch; the networks, a batch."""


class Metrics:
    """The counters of one service, in a registry of its own.

    Attributes:
        requests: Answers, by route and status.
        latency: Seconds from request to answer, by route.
        batch_sizes: Images in a batch.
        images: Images with a result.
        errors: Images without, by kind of error.
        decoders_replaced: Decoding processes that crashed or hung.
    """

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        self.requests = Counter("imagist_requests", "Answers", ("route", "status"), registry=own)
        self.latency = Histogram(
            "imagist_request_seconds", "Time to answer", ("route",), registry=own, buckets=_SECONDS
        )
        stages = Histogram("imagist_stage_seconds", "Time in a stage", ("stage",), registry=own, buckets=_SECONDS)
        self._stages = {name: stages.labels(name) for name in STAGES}
        self.batch_sizes = Histogram("imagist_batch_size", "Images in a batch", registry=own, buckets=_SIZES)
        self.images = Counter("imagist_images", "Images with a result", registry=own)
        self.errors = Counter("imagist_image_errors", "Images without a result", ("kind",), registry=own)
        self.decoders_replaced = Counter("imagist_decoders_replaced", "Decoders that crashed or hung", registry=own)

    def stage(self, name: str) -> Histogram:
        """The seconds of one of `STAGES`."""
        return self._stages[name]

    def gauge(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Adds a value that is read when it is asked for."""
        Gauge(name, about, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All of it, in the text format of Prometheus."""
        return generate_latest(self._registry)


class Log:
    """Writes events as JSON lines. No event carries an image, its name or its address.

    Args:
        stream: Where to; None is standard error, as it is at the time.
        quiet: Whether nothing is written.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream, self._quiet = stream, quiet

    def write(self, event: str, **fields: object) -> None:
        """One line."""
        if self._quiet:
            return
        record = {"time": round(time.time(), 3), "event": event, **fields}
        with contextlib.suppress(OSError, ValueError):  # a log that is full or closed must not end the service
            print(json.dumps(record, ensure_ascii=True), file=self._stream or sys.stderr, flush=True)
