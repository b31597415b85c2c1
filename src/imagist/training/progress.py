"""Logs the progress of a long run: steps, speed, time left."""

from __future__ import annotations

import logging
import time

log = logging.getLogger("imagist.training")


class Progress:
    """Counts steps and logs speed and time left, at most once in ``every`` seconds.

    Args:
        name: First word of each line.
        total: Steps of the whole run.
        done: Steps that an earlier session made.
        every: Seconds between lines.
    """

    def __init__(self, name: str, total: int, done: int = 0, every: float = 20.0) -> None:
        self.name, self.total, self.done, self.every = name, total, done, every
        self._began, self._first = time.monotonic(), done
        self._logged = self._began

    def step(self, items: int, **figures: float) -> bool:
        """Counts one step over ``items`` items; returns whether it wrote a line."""
        self.done += 1
        now = time.monotonic()
        if now - self._logged < self.every and self.done < self.total:
            return False
        self._logged = now
        rate = (self.done - self._first) / max(now - self._began, 1e-9)
        shown = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        left = (self.total - self.done) / rate / 60
        log.info(
            "%s %d/%d  %s  %.1f items/s  %.1f min left", self.name, self.done, self.total, shown, rate * items, left
        )
        return True
