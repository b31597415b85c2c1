"""Runs from Python: the specification, the counts, the outcomes; the command line adds nothing to them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imagist import engine
from imagist.engine import Interrupted, RunSpec, Style
from imagist.errors import OutputError, UnknownName, UsageError
from imagist.records import Failure
from red_task import TASK, work


@pytest.fixture(params=engine.EXECUTORS)
def spec(request, tmp_path):
    """Five images of one colour each, of which the fourth is broken; for every executor."""
    folder = tmp_path / "images"
    folder.mkdir()
    for n in range(5):
        Image.fromarray(np.full((8, 8, 3), 10 * n, np.uint8)).save(folder / f"{n}.png")
    (folder / "3.png").write_bytes(b"no image")
    return RunSpec((str(folder),), batch_size=2, executor=request.param)


def test_each_row_is_handed_over_once_in_order(spec):
    seen = []
    summary = engine.run(spec, TASK, each=lambda number, outcome: seen.append((number, outcome)))
    assert [number for number, _ in seen] == [*range(5)]
    assert [getattr(o.result, "value", None) for _, o in seen] == [0, 10, 20, None, 40]
    assert isinstance(seen[3][1].result, Failure)
    assert (summary.done, summary.earlier, summary.failed) == (5, 0, 1)
    assert [source[-5:] for source, _ in summary.failures] == ["3.png"]


def test_a_table_is_written_and_nothing_is_printed(spec, tmp_path, capsys):
    engine.run(replace(spec, out=tmp_path / "x.jsonl"), TASK)
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [row["caption"] for row in rows] == ["red 0", "red 10", "red 20", None, "red 40"]
    assert all(list(row) == list(TASK.columns) for row in rows)
    assert not (tmp_path / "x.jsonl.partial").exists()
    assert capsys.readouterr() == ("", "")


def test_an_interrupted_run_has_its_counts_and_resumes(spec, tmp_path):
    calls = []

    def interrupted(photos):
        calls.append(len(photos))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return work(photos)

    spec = replace(spec, out=tmp_path / "x.jsonl")
    with pytest.raises(Interrupted, match="stopped after 2 inputs") as stopped:
        engine.run(spec, replace(TASK, work=interrupted))
    assert (stopped.value.summary.done, stopped.value.summary.failed) == (2, 0)
    assert isinstance(stopped.value, KeyboardInterrupt)
    summary = engine.run(replace(spec, resume=True), TASK)
    assert (summary.done, summary.earlier, summary.failed) == (5, 2, 1)


def test_the_failures_of_an_earlier_run_count(spec, tmp_path):
    def late(photos):
        if int(photos[0].pixels[0, 0, 0]) == 40:
            raise KeyboardInterrupt
        return work(photos)

    spec = replace(spec, out=tmp_path / "x.jsonl")
    with pytest.raises(Interrupted):
        engine.run(spec, replace(TASK, work=late))
    summary = engine.run(replace(spec, resume=True), TASK)
    assert (summary.earlier, summary.failed, len(summary.failures)) == (4, 1, 1)


def test_only_the_first_failures_are_listed(tmp_path, spec):
    spec = replace(spec, sources=(*spec.sources, *(f"missing{n}.jpg" for n in range(20))))
    summary = engine.run(spec, TASK)
    assert (summary.failed, len(summary.failures)) == (21, 10)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"resume": True}, UsageError, "resume"),
        ({"out": "x.ods"}, OutputError, "format"),
        ({"out": "x.jsonl", "style": Style("simple")}, UsageError, "for people"),
        ({"out": "x.csv", "style": Style("simple"), "update": True}, UsageError, "an update needs"),
        ({"out": "nowhere/x.csv"}, OutputError, "does not exist"),
        ({"sources": ("missing.jpg",)}, UsageError, "nothing to do: missing.jpg"),
        ({"executor": "cluster"}, UnknownName, "cluster: no executor.*local"),
    ],
)
def test_a_wrong_specification_is_refused(spec, tmp_path, changed, error, message):
    if "out" in changed:
        changed = changed | {"out": tmp_path / changed["out"]}
    with pytest.raises(error, match=message):
        engine.run(replace(spec, **changed), TASK)
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_an_output_may_not_be_an_input(spec, tmp_path):
    table = tmp_path / "x.csv"
    table.write_text("image\na.jpg\n")
    with pytest.raises(OutputError, match="is an input"):
        engine.run(RunSpec((str(table),), out=table), TASK)


def test_other_settings_do_not_resume(spec, tmp_path):
    def stop(photos):
        if int(photos[0].pixels[0, 0, 0]) == 20:
            raise KeyboardInterrupt
        return work(photos)

    spec = replace(spec, out=tmp_path / "x.jsonl")
    with pytest.raises(Interrupted):
        engine.run(spec, replace(TASK, work=stop))
    with pytest.raises(UsageError, match="task was 'red' and is now 'blue'"):
        engine.run(replace(spec, resume=True), replace(TASK, settings={"task": "blue"}))


def test_another_executor_is_an_entry(spec, monkeypatch):
    monkeypatch.setitem(engine.EXECUTORS, "again", engine.EXECUTORS["local"])
    assert engine.run(replace(spec, executor="again"), TASK).done == 5
