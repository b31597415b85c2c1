"""A line now and then about a long run."""

from __future__ import annotations

import logging

import pytest

from imagist.training import progress
from imagist.training.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when it is told to."""

    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(progress, "time", made)
    return made


def test_lines_come_no_more_often_than_asked_for(clock, caplog):
    caplog.set_level(logging.INFO, "imagist.training")
    run = Progress("words", 100, every=20.0)
    told = []
    for _ in range(99):
        clock.now += 1
        told.append(run.step(8))
    assert [i + 1 for i, line in enumerate(told) if line] == [20, 40, 60, 80]
    clock.now += 1
    assert run.step(8)
    assert len(caplog.records) == 5


def test_a_line_says_how_far_how_fast_and_how_long_still(clock, caplog):
    caplog.set_level(logging.INFO, "imagist.training")
    run = Progress("words", 300, done=100, every=1.0)
    clock.now = 40.0
    for _ in range(20):
        run.step(8, loss=0.51234)
    first = caplog.records[0].getMessage()
    assert first.startswith("words 101/300  loss 0.5123")
    clock.now = 60.0
    run.step(8, loss=0.25)
    # 21 steps of 8 in 60 s, 179 of them left
    assert "2.8 items/s  8.5 min left" in caplog.records[-1].getMessage()


def test_a_clock_that_stands_still_is_no_division_by_zero(clock):
    assert Progress("words", 1).step(1)
