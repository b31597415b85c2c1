"""Progress of a run on stderr: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from imagist.report.terminal import say

EVERY = 10.0
"""Seconds between lines where stderr is no terminal."""


class Meter:
    """Counts images while it is entered.

    Args:
        total: How many there are; None where that is unknown.
        done: How many an earlier run did.
        resumed: Whether to report where the run goes on.
        quiet: Whether to print nothing.
        unit: What is counted, in the plural.
    """

    def __init__(
        self, total: int | None, *, done: int = 0, resumed: bool = False, quiet: bool = False, unit: str = "images"
    ) -> None:
        self.done, self._unit = done, unit
        self._total, self._before, self._quiet = total, done, quiet
        self._began = self._spoke = time.monotonic()
        if resumed and not quiet:
            state = f"resuming after {done:,} inputs" if done else "nothing to resume; beginning"
            say(f"imagist: {state}\n")
        console = Console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal and not quiet:
            columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task("reading", total=total, completed=done)

    def __enter__(self) -> Meter:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    @property
    def rate(self) -> float:
        """Images a second in this run."""
        return (self.done - self._before) / max(time.monotonic() - self._began, 1e-9)

    def advance(self, count: int, kept: int = 0) -> None:
        """Counts so many more images as done, some of them by an earlier run."""
        self.done += count
        self._before += kept
        if self._bar:
            self._bar.update(self._task, completed=self.done, description=self._state())
        elif not self._quiet and time.monotonic() - self._spoke >= EVERY:
            self._spoke = time.monotonic()
            say(f"imagist: {self._state()}{self._left()}\n")

    def _state(self) -> str:
        of = "" if self._total is None else f" of {self._total:,}"
        return f"{self.done:,}{of}, {self.rate:,.1f} {self._unit}/s"

    def _left(self) -> str:
        if self._total is None:
            return ", time left unknown: only reading all inputs tells how many there are"
        if not self.rate:
            return ""
        return f", {max(0.0, self._total - self.done) / self.rate:,.0f} s left"
