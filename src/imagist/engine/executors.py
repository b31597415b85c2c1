"""Where the work of a run is done. An executor takes rows and returns their outcomes in batches, in order.

Another executor is a function of the same signature and an entry in ``EXECUTORS``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from imagist.engine.spec import RAY, RunSpec
from imagist.engine.tasks import Task
from imagist.errors import UnknownName
from imagist.images import stream
from imagist.images.stream import Outcome
from imagist.records import Row


class Executor(Protocol):
    """Works through rows: every row comes out once, in order, as a result or a failure."""

    def __call__(self, rows: Iterable[Row], task: Task[Any], spec: RunSpec) -> Iterator[list[Outcome[Row, Any]]]:
        """Yields one list of outcomes for each batch."""
        ...


def local(rows: Iterable[Row], task: Task[Any], spec: RunSpec) -> Iterator[list[Outcome[Row, Any]]]:
    """Threads of this process: some decode, and ``task.concurrency`` of them run the work."""
    return stream.run(
        rows,
        task.work,
        batch_size=spec.batch_size,
        workers=spec.workers,
        concurrency=task.concurrency,
        limits=spec.limits,
    )


EXECUTORS: dict[str, Executor] = {"local": local}
"""Every executor by its name."""


def executor(name: str) -> Executor:
    """The executor of a name.

    Raises:
        UnknownName: There is none; the remedy lists the names.
    """
    if name not in EXECUTORS:
        raise UnknownName("no executor of that name", item=name, remedy=f"one of {', '.join([*EXECUTORS, RAY])}")
    return EXECUTORS[name]
