"""A line now and then about a long run: how far, how fast, how long still."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("imagist.training")


class Progress:
    """Counts steps of a run and logs speed and time left at most once in ``every`` seconds.

    Args:
        name: Heads every line.
        total: Steps of the whole run.
        done: Steps that an earlier session already made.
        every: Seconds between lines.
    """

    def __init__(self, name: str, total: int, done: int = 0, every: float = 20.0) -> None:
        self.name, self.total, self.done, self.every = name, total, done, every
        self._began, self._first = time.monotonic(), done
        self._told = self._began

    def step(self, items: int, **figures: float) -> bool:
        """One step made over ``items`` items; True where a line was due and written."""
        self.done += 1
        now = time.monotonic()
        if now - self._told < self.every and self.done < self.total:
            return False
        self._told = now
        rate = (self.done - self._first) / max(now - self._began, 1e-9)
        shown = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        left = (self.total - self.done) / rate / 60
        log.info(
            "%s %d/%d  %s  %.1f items/s  %.1f min left", self.name, self.done, self.total, shown, rate * items, left
        )
        return True
