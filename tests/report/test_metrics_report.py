from __future__ import annotations

import numpy as np
import pytest

from imagist.errors import OutputError
from imagist.metrics.evaluation import Measured
from imagist.metrics.resampling import Resamples
from imagist.metrics.significance import Difference, Interval
from imagist.report.metrics import Report, show_report, write_report

FIGURES = {
    "cider": Interval(0.712, 0.65, 0.78),
    "vocabulary": Interval(1234.0, 1200.4, 1270.0),
    "length": Interval(9.8765, 9.5, 10.25),
}


def measured(**unavailable):
    return Measured(FIGURES, unavailable, {key: np.zeros(1) for key in FIGURES}, Resamples(1, 1))


def report(second=None, predictions="p.csv"):
    settings = {"predictions": predictions, "compared": "q|r.csv", "images": 1000, "resamples": 2000}
    differences = {key: Difference(Interval(0.5, -0.25, 1.0), 0.0321) for key in FIGURES} if second else {}
    return Report(settings, measured(meteor="no java", spice="no java", copied="no training"), second, differences)


def test_shares_and_cider_are_printed_times_100_and_words_are_not(capsys):
    show_report(report())
    out = capsys.readouterr().out
    for cell in ("71.2 [65.0, 78.0]", "1,234 [1,200, 1,270]", "9.88 [9.50, 10.25]"):
        assert cell in out
    assert "1,000 images" in out
    assert "2,000 resamples" in out
    assert "No METEOR, SPICE: no java\n" in out
    assert "No copied from training: no training\n" in out


def test_differences_carry_their_sign(capsys):
    show_report(report(measured()))
    out = capsys.readouterr().out
    assert "+50.0 [-25.0, +100.0]" in out
    assert "0.032" in out


def test_a_file_name_cannot_steer_the_terminal_or_break_the_table(tmp_path, capsys):
    hostile = report(measured(), predictions="\x1b[31m[bold]p.csv")
    show_report(hostile)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "[bold]" in out
    write_report(hostile, tmp_path / "out.md")
    lines = [line for line in (tmp_path / "out.md").read_text().splitlines() if line.startswith("|")]
    assert "q\\|r.csv" in lines[0]
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test_what_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError):
        write_report(report(), tmp_path / "nowhere" / "out.csv")
    assert not [*tmp_path.iterdir()]
