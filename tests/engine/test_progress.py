from __future__ import annotations

import pytest

from imagist.engine import progress
from imagist.engine.progress import Meter


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_outside_a_terminal_there_is_a_line_now_and_then(clock, capsys):
    with Meter(1000) as meter:
        for _ in range(5):
            clock[0] += 4
            meter.advance(100)
    assert capsys.readouterr().err == "imagist: 300 of 1,000, 25.0 images/s, 28 s left\n"


def test_without_a_total_the_line_says_why_there_is_no_time_left(clock, capsys):
    with Meter(None) as meter:
        clock[0] += 20
        meter.advance(100)
    assert capsys.readouterr().err == (
        "imagist: 100, 5.0 images/s, time left unknown: only reading all inputs tells how many there are\n"
    )


def test_what_an_earlier_run_did_does_not_flatter_the_rate(clock, capsys):
    with Meter(1000, done=900) as meter:
        clock[0] += 20
        meter.advance(40)
    assert meter.done == 940
    assert capsys.readouterr().err == "imagist: 940 of 1,000, 2.0 images/s, 30 s left\n"


def test_quiet_is_quiet(clock, capsys):
    with Meter(1000, quiet=True) as meter:
        clock[0] += 100
        meter.advance(10)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_with_rate_and_time_left(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with Meter(4) as meter:
        meter.advance(2)
        assert meter._bar is not None
        meter._bar.refresh()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "2 of 4" in captured.err
    assert "images/s" in captured.err
    assert "━" in captured.err


def test_nothing_done_yet_is_no_division_by_zero(clock):
    assert Meter(10).rate == 0.0
