"""Runs that update a finished table: what is kept, what is done again, what is new."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imagist import engine
from imagist.engine import RunSpec, Task
from imagist.errors import OutputError, UsageError
from imagist.records.flat import columns

FIELDS = ("caption", "caption_logprob", "label", "probabilities")


@dataclass(frozen=True)
class Named:
    value: int
    labels: tuple[str, ...] = ("a", "b")

    def fields(self):
        probabilities = dict(zip(self.labels, (0.75, 0.25), strict=True))
        return {
            "caption": f"red {self.value}",
            "caption_logprob": -0.1,
            "label": self.labels[0],
            "probabilities": probabilities,
        }


class Recording:
    """A task that remembers the images that it was given."""

    def __init__(self):
        self.seen = []

    def __call__(self, photos):
        self.seen += [int(photo.pixels[0, 0, 0]) for photo in photos]
        return [Named(int(photo.pixels[0, 0, 0])) for photo in photos]


def task(work):
    return Task(work, columns(FIELDS), {"task": "red"})


def paint(path, red):
    Image.fromarray(np.full((8, 8, 3), red, np.uint8)).save(path)


def rows_of(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist(maps_as_pydicts="strict")
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.fixture(params=["csv", "jsonl", "parquet"])
def spec(request, tmp_path):
    """A finished run over four images, of which the second was broken, with a column that clashes."""
    for n in range(4):
        paint(tmp_path / f"{n}.png", 10 * n)
    (tmp_path / "1.png").write_bytes(b"no image")
    (tmp_path / "in.csv").write_text("image,label,likes\n0.png,x,0\n1.png,y,1\n2.png,x,2\n3.png,,3\n")
    spec = RunSpec((str(tmp_path / "in.csv"),), out=tmp_path / f"x.{request.param}", batch_size=2)
    engine.run(spec, task(Recording()))
    return replace(spec, update=True)


def test_nothing_new_keeps_every_row_but_those_that_failed(spec, tmp_path):
    before = rows_of(spec.out)
    work = Recording()
    summary = engine.run(spec, task(work))
    assert work.seen == []
    assert (summary.done, summary.earlier, summary.failed) == (4, 3, 1)
    assert rows_of(spec.out) == before
    paint(tmp_path / "1.png", 10)
    summary = engine.run(spec, task(work))
    assert work.seen == [10]
    assert (summary.done, summary.earlier, summary.failed) == (4, 3, 0)
    after = rows_of(spec.out)
    assert [row["caption"] for row in after] == ["red 0", "red 10", "red 20", "red 30"]
    assert [after[n] for n in (0, 2, 3)] == [before[n] for n in (0, 2, 3)]
    assert not spec.out.with_name(spec.out.name + ".partial").exists()


def test_new_rows_come_in_their_order_with_the_columns_of_now(spec, tmp_path):
    paint(tmp_path / "9.png", 90)
    (tmp_path / "in.csv").write_text("image,label,likes,lang\n9.png,z,9,en\n0.png,x,100,de\n2.png,x,2,\n")
    work = Recording()
    summary = engine.run(spec, task(work))
    assert work.seen == [90]
    assert (summary.done, summary.earlier) == (5, 4)
    after = rows_of(spec.out)
    assert [row["caption"] or None for row in after] == ["red 90", "red 0", "red 20", None, "red 30"]
    assert [row["input.label"] or "" for row in after] == ["z", "x", "x", "y", ""]
    assert [row["likes"] for row in after] == ["9", "100", "2", "1", "3"]
    assert [row["lang"] or "" for row in after] == ["en", "de", "", "", ""]


def test_an_update_that_was_stopped_goes_on(spec, tmp_path):
    for n in range(4, 8):
        paint(tmp_path / f"{n}.png", 10 * n)
    lines = [f"{n}.png,x,{n}" for n in (4, 0, 5, 6, 7, 2)]
    (tmp_path / "in.csv").write_text("\n".join(["image,label,likes", *lines]) + "\n")
    work = Recording()

    def interrupted(photos):
        if work.seen:
            raise KeyboardInterrupt
        return work(photos)

    with pytest.raises(KeyboardInterrupt):
        engine.run(spec, task(interrupted))
    with pytest.raises(UsageError, match="update was True and is now None"):
        engine.run(replace(spec, update=False, resume=True), task(work))
    engine.run(replace(spec, resume=True), task(work))
    assert work.seen == [40, 50, 60, 70]
    assert [row["source"][-5:] for row in rows_of(spec.out)] == [f"{n}.png" for n in (4, 0, 5, 6, 7, 2, 1, 3)]


def test_many_kept_rows_are_not_held(spec, monkeypatch):
    monkeypatch.setattr(sys.modules["imagist.engine.run"], "KEPT_AT_ONCE", 1)
    before = rows_of(spec.out)
    engine.run(spec, task(Recording()))
    assert rows_of(spec.out) == before


def test_rows_named_by_their_number_go_by_their_columns(tmp_path):
    import io

    import pyarrow as pa

    def table(*numbers):
        images = []
        for n in numbers:
            file = io.BytesIO()
            Image.fromarray(np.full((8, 8, 3), 10 * n, np.uint8)).save(file, "PNG")
            images.append(file.getvalue())
        pq.write_table(pa.table({"image": images, "id": numbers}), tmp_path / "in.parquet")

    table(1, 2, 3)
    spec = RunSpec((str(tmp_path / "in.parquet"),), out=tmp_path / "x.csv", update=True)
    work = Recording()
    engine.run(spec, task(work))
    table(1, 4, 3)
    engine.run(spec, task(work))
    assert work.seen == [10, 20, 30, 40]


def test_other_categories_are_refused_and_nothing_is_lost(spec, tmp_path):
    paint(tmp_path / "1.png", 10)
    before = spec.out.read_bytes()
    with pytest.raises(OutputError, match="has the categories a, b, not b, c"):
        engine.run(spec, task(lambda photos: [Named(0, ("b", "c")) for _ in photos]))
    assert spec.out.read_bytes() == before


def test_what_is_no_table_of_the_task_is_refused(spec):
    spec.out.with_suffix(".csv").write_text("source,caption\na,b\n")
    with pytest.raises(OutputError, match=r"is no table of this command: it has no caption_logprob, .*--overwrite"):
        engine.run(replace(spec, out=spec.out.with_suffix(".csv")), task(Recording()))


def test_settings_that_contradict_each_other(spec):
    with pytest.raises(UsageError, match="either updated or replaced"):
        replace(spec, overwrite=True).check()
    with pytest.raises(UsageError, match="no file to update"):
        replace(spec, out=None).check()
