"""The table of captioners, of rows made up."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from captioners import FIGURES, Row, is_dangling, point, report, scores, searches, trained
from imagist.captioning.decoding import Decoding
from imagist.metrics.significance import Interval

pytestmark = pytest.mark.torch


def row(name="tutorial", **changes):
    figures = {figure: Interval(0.2, 0.1, 0.3) for figure in FIGURES}
    given = {
        "name": name, "kind": "attention tutorial", "figures": figures, "dangling": Interval(0.01, 0.0, 0.02),
        "rate": 120.4, "weights": (2_206_821, 3_195_193), "minutes": {"cross_entropy": 30.2}, "gain": None,
        "languages": {},
    }  # fmt: skip
    return Row(**given | changes)


@pytest.mark.parametrize("caption", ["a dog runs in a", "a man with", "a dog on the", "the"])
def test_it_dangles(caption):
    assert is_dangling(caption)


@pytest.mark.parametrize("caption", ["a dog runs outside", "a man looking up", "a dog", ""])
def test_it_does_not_dangle(caption):
    assert not is_dangling(caption)


def test_every_figure_has_its_interval_and_every_phase_its_minutes():
    text = report(
        [row(), row("best", minutes={"cross_entropy": 60.0, "self_critical": 45.0, "concepts": 3.0})],
        "dev",
        [None] * 1000,
        2,
    )
    lines = [line for line in text.splitlines() if line.startswith(("| tutorial", "| best"))]
    assert lines[0].count("20.0 [10.0, 30.0]") == len(FIGURES)
    assert "| 1.0 [0.0, 2.0] | 2.2 + 3.2 | 120 | 30 |" in lines[0]
    assert lines[1].endswith("| 60 + 45 + 3 |")
    assert {line.count("|") for line in text.splitlines() if line.startswith("|")} == {lines[0].count("|")}
    assert "1,000 photos" in text


def test_without_java_the_column_is_empty():
    figures = {k: v for k, v in row().figures.items() if k != "meteor"}
    (line,) = [x for x in report([row(figures=figures)], "dev", [], 1).splitlines() if x.startswith("| tutorial")]
    assert line.count("|  |") == 1


def test_gains_and_languages_have_tables_of_their_own():
    told = {"en": {"value": 0.4, "low": 0.3, "high": 0.5}, "de": {"value": 0.22, "low": 0.2, "high": 0.3}}
    text = report([row(gain=(60.0, 66.0), languages=told)], "dev", [], 1)
    assert "| tutorial | 60.0 | 66.0 | +10.0% |" in text
    assert "| de | 22.0 [20.0, 30.0] | 55% |" in text


def test_a_consensus_is_held_beside_a_plain_search():
    own = Decoding(beam=20, max_length=12, mbr=True)
    assert searches("best", own) == [("best", own), ("best, plain search", Decoding(max_length=12))]
    assert searches("sat", Decoding(beam=5)) == [("sat", Decoding(beam=5))]


def test_runs_without_a_recipe_of_a_captioner_are_left_out(tmp_path):
    for name, content in (("sat", '{"recipe": {}}'), ("best", '{"recipe": {}}'), ("embedded", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "measured.json").write_text(content)
    (tmp_path / "features").mkdir()
    assert trained(tmp_path) == [tmp_path / "best", tmp_path / "sat"]


def test_a_point_is_cider_times_100():
    found = point(row())
    assert (found.name, found.rate, found.figure, found.low, found.high) == pytest.approx(
        ("tutorial", 120.4, 20.0, 10.0, 30.0)
    )


def test_meteor_is_left_out_where_it_cannot_be_run(monkeypatch, capsys):
    from imagist.metrics import jars

    monkeypatch.setattr(jars.shutil, "which", lambda name: None)
    found = scores(["a dog", "a cat"], [["a dog runs"], ["a cat sits", "one cat"]])
    assert set(found) <= set(FIGURES) - {"meteor"}
    assert found["cider"].low <= found["cider"].value <= found["cider"].high
    assert "Java" in capsys.readouterr().out
