"""The counts of a run, and what it reports on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagist.engine.tasks import T
from imagist.engine.writer import Chunks, Style
from imagist.images.stream import Outcome
from imagist.records import Row
from imagist.records.flat import Kind

Each = Callable[[int, Outcome[Row, T]], None]
"""Called for each row of this run, in order, with its number in the inputs, from 0, and its outcome."""

Writer = Callable[[Path, Chunks, Mapping[str, Kind], Style], None]
"""Writes an output from a journal; as `imagist.engine.writer.write`."""


@dataclass(frozen=True)
class Summary:
    """The counts of a run.

    Attributes:
        done: Rows that are done, those of an earlier run included.
        earlier: Rows of those that an earlier run did: before it was stopped, or in the table that is updated.
        failed: Rows of those that have an error.
        failures: Source and message of the first `LISTED` failures.
        rate: Images a second in this run.
    """

    done: int
    earlier: int
    failed: int
    failures: tuple[tuple[str, str], ...]
    rate: float


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run: the batches that are done are in the journal.

    Attributes:
        summary: The counts up to the interruption.
    """

    def __init__(self, summary: Summary) -> None:
        super().__init__(f"stopped after {summary.done:,} inputs")
        self.summary = summary
