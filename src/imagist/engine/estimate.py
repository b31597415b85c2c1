"""What a run would take, by a short measured one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from imagist.engine.executors import executor
from imagist.engine.sampling import drawn
from imagist.engine.spec import RunSpec
from imagist.engine.tasks import Task
from imagist.errors import UsageError
from imagist.records import Row

SAMPLE = 200
"""Images that are measured."""


@dataclass(frozen=True)
class Estimate:
    """What a run would take on this machine.

    Attributes:
        images: Inputs in all.
        measured: Inputs that were measured.
        rate: Images a second.
        memory: Most memory of this process so far, in bytes; None where the system does not say.
    """

    images: int
    measured: int
    rate: float
    memory: int | None

    @property
    def seconds(self) -> float:
        """Of the whole run."""
        return self.images / self.rate

    def lines(self, cost_per_hour: float | None = None) -> list[str]:
        """The estimate in words, a line each.

        Args:
            cost_per_hour: Of this machine, in any currency.
        """
        found = [
            f"{self.images:,} inputs",
            f"{self.rate:,.1f} images/s, measured on {self.measured:,} of them",
            f"about {_duration(self.seconds)} on this machine",
        ]
        if self.memory is not None:
            found.append(f"{self.memory / 1e9:.1f} GB of memory")
        if cost_per_hour is not None:
            found.append(f"costs about {self.seconds / 3600 * cost_per_hour:,.2f} at {cost_per_hour:g} an hour")
        return found


def estimate(spec: RunSpec, task: Task[Any], *, size: int = SAMPLE, rows: Iterator[Row] | None = None) -> Estimate:
    """Measures a run on a sample of its inputs; writes nothing.

    All inputs are listed, and archives are read through, so that their number is exact.

    Args:
        spec: The run, without a folder of parts and a sample.
        task: The work on each image.
        size: Inputs that are measured, drawn at random.
        rows: ``spec.rows()``, where they were opened already.

    Raises:
        UsageError: There is nothing to read.
    """
    sample, number = drawn(spec.rows() if rows is None else rows, size, spec.seed)
    if not sample:
        raise UsageError("nothing to do: there are no inputs")
    _work(sample[: spec.batch_size], task, spec)  # what is loaded and compiled at first use
    began = time.perf_counter()
    _work(sample, task, spec)
    return Estimate(number, len(sample), len(sample) / (time.perf_counter() - began), _memory())


def _work(rows: Iterable[Row], task: Task[Any], spec: RunSpec) -> None:
    for _ in executor(spec.executor)(rows, task, spec):
        pass


def _memory() -> int | None:
    """Most resident memory of this process so far, in bytes."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _duration(seconds: float) -> str:
    """In the largest unit of which there is one at least."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} seconds"
