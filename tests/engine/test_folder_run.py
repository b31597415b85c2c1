"""Runs into folders of parts: the same rows as a table, however the run is stopped, resumed, extended and moved."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imagist import engine
from imagist.engine import Interrupted, RunSpec
from imagist.errors import OutputError, UsageError
from red_task import TASK, work


def stopped_at(red):
    """The task, with Ctrl-C at the image of this colour."""

    def stopping(photos):
        if red in [int(photo.pixels[0, 0, 0]) for photo in photos]:
            raise KeyboardInterrupt
        return work(photos)

    return replace(TASK, work=stopping)


def save(path, red):
    Image.fromarray(np.full((8, 8, 3), red, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Images of one colour each, of which one is broken; a table that names some; a shard and a Parquet of others."""
    folder = tmp_path / "in"
    (folder / "a").mkdir(parents=True)
    for n in range(7):
        save(folder / "a" / f"{n}.png", n)
    (folder / "a" / "3.png").write_bytes(b"no image")
    rows = [{"image": f"a/{n}.png", "likes": n, "rare": "x" if n == 6 else None} for n in range(7)]
    (folder / "posts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for n in (0, 3, 1, 2, 4):
            tar.add(folder / "a" / f"{n}.png", f"{n}.png")
    return folder


@pytest.fixture
def spec(folder, tmp_path):
    sources = (str(folder / "a"), str(folder / "posts.jsonl"), str(folder / "shard.tar"))
    return RunSpec(sources, parts=str(tmp_path / "out"), part_rows=3, batch_size=2)


def table(folder):
    return pq.read_table(folder).to_pylist()


def single(spec, tmp_path):
    """The rows that a run into one table gives."""
    out = tmp_path / "single.parquet"
    engine.run(replace(spec, parts=None, out=out, resume=False, update=False), TASK)
    rows = pq.read_table(out).to_pylist()
    out.unlink()
    return rows


def names(spec):
    return sorted(path.name for path in Path(spec.parts).glob("part*"))


def test_a_folder_has_the_rows_of_a_table_in_parts_and_a_manifest(spec, tmp_path):
    summary = engine.run(spec, TASK)
    assert (summary.done, summary.earlier, summary.failed) == (19, 0, 3)
    assert table(spec.parts) == single(spec, tmp_path)
    assert names(spec) == [
        *(f"part-00-{n:08d}-0000.parquet" for n in range(5)),
        "part-00-00000005-0000.parquet",
        "part-00-00000005-0001.parquet",
    ]
    assert [pq.read_metadata(f"{spec.parts}/{name}").num_rows for name in names(spec)] == [3, 3, 3, 3, 2, 3, 2]
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert (manifest["complete"], manifest["rows"], manifest["failed"]) == (True, 19, 3)
    assert [part["file"] for part in manifest["parts"]] == names(spec)
    assert manifest["columns"]["likes"] == "int64"
    assert manifest["settings"]["task"] == "red"


@pytest.mark.parametrize("red", [0, 2, 4, 6])
def test_a_stopped_run_resumes_at_its_last_part(spec, tmp_path, red):
    whole = single(spec, tmp_path)
    with pytest.raises(Interrupted):
        engine.run(spec, stopped_at(red))
    there = names(spec)
    with pytest.raises(UsageError, match="unfinished"):
        engine.run(spec, TASK)
    calls = []
    counting = replace(TASK, work=lambda photos: calls.extend(photos) or work(photos))
    summary = engine.run(replace(spec, resume=True), counting)
    assert (summary.done, summary.failed) == (19, 3)
    assert summary.earlier == 3 * len(there)
    assert len(calls) == 16 - sum(row["error_kind"] is None for row in whole[: 3 * len(there)])
    assert table(spec.parts) == whole


def test_parts_of_other_inputs_do_not_resume(spec, folder):
    with pytest.raises(Interrupted):
        engine.run(spec, stopped_at(6))
    save(folder / "a" / "00.png", 9)
    with pytest.raises(UsageError, match="inputs changed"):
        engine.run(replace(spec, resume=True), TASK)
    with pytest.raises(UsageError, match="task was 'red' and is now 'blue'"):
        engine.run(replace(spec, resume=True), replace(TASK, settings={"task": "blue"}))


def test_inputs_that_end_early_do_not_resume(spec, folder):
    with pytest.raises(Interrupted):
        engine.run(spec, stopped_at(6))
    shutil.rmtree(folder / "a")
    with pytest.raises(UsageError, match=r"inputs changed|nothing to do"):
        engine.run(replace(spec, sources=spec.sources[:1], resume=True), TASK)


def test_a_finished_folder_is_not_replaced_unless_asked(spec):
    engine.run(spec, TASK)
    before = names(spec)
    for again in (spec, replace(spec, resume=True)):
        with pytest.raises(OutputError, match="finished run"):
            engine.run(again, TASK)
    summary = engine.run(replace(spec, sources=spec.sources[:1], overwrite=True), TASK)
    assert summary.done == len(table(spec.parts)) == 7
    assert names(spec) == before[:3]


def test_a_folder_of_other_files_is_refused(spec, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds other files, such as notes\.txt"):
        engine.run(spec, TASK)
    with pytest.raises(OutputError, match="is a file"):
        engine.run(replace(spec, parts=str(tmp_path / "out" / "notes.txt")), TASK)
    with pytest.raises(OutputError, match="does not exist"):
        engine.run(replace(spec, parts=str(tmp_path / "no" / "out")), TASK)


def test_an_update_does_what_failed_and_what_is_new(spec, folder, tmp_path):
    engine.run(spec, TASK)
    save(folder / "a" / "3.png", 3)
    save(folder / "a" / "00.png", 8)
    (folder / "a" / "6.png").unlink()
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for n in (0, 3, 1, 2, 4, 5):
            tar.add(folder / "a" / f"{n}.png", f"{n}.png")
    seen = []
    counting = replace(TASK, work=lambda photos: seen.extend(work(photos)) or work(photos))
    summary = engine.run(replace(spec, update=True), counting)
    assert sorted(red.value for red in seen) == [3, 3, 3, 5, 8]
    assert (summary.done, summary.earlier, summary.failed) == (21, 16, 0)
    rows = table(spec.parts)
    assert len(rows) == 21
    assert all(row["caption"] == f"red {8 if '00.png' in row['source'] else row['source'][-5]}" for row in rows)
    assert [row["likes"] for row in rows].count(3) == 1
    with pytest.raises(UsageError, match="task was 'red'"):
        engine.run(replace(spec, update=True), replace(TASK, settings={"task": "blue"}))
    assert engine.run(replace(spec, update=True), TASK).done == 21


def test_a_stopped_update_resumes(spec, folder):
    engine.run(spec, TASK)
    save(folder / "a" / "3.png", 3)
    for n in range(10, 16):
        save(folder / "a" / f"{n}.png", n)
    with pytest.raises(Interrupted):
        engine.run(replace(spec, update=True), stopped_at(15))
    with pytest.raises(UsageError, match="unfinished"):
        engine.run(replace(spec, update=True), TASK)
    summary = engine.run(replace(spec, update=True, resume=True), TASK)
    assert (summary.done, summary.failed) == (25, 1)
    assert [row["source"][-9:] for row in table(spec.parts) if row["error_kind"]] == ["tar#3.png"]


def test_columns_of_several_types_have_one_in_all_parts(tmp_path, folder):
    rows = [{"image": f"a/{n}.png", "likes": 1 if n < 3 else 1.5, "place": n if n < 3 else "x"} for n in range(6)]
    (folder / "posts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = RunSpec((str(folder / "posts.jsonl"),), parts=str(tmp_path / "out"), part_rows=2)
    engine.run(spec, TASK)
    schemas = [pq.read_schema(f"{spec.parts}/{name}").remove_metadata() for name in names(spec)]
    assert all(schema == schemas[0] for schema in schemas)
    assert (str(schemas[0].field("likes").type), str(schemas[0].field("place").type)) == ("double", "string")
    assert table(spec.parts) == single(spec, tmp_path)


def test_two_runs_do_not_write_one_folder(spec):
    def inside(photos):
        with pytest.raises(OutputError, match="another run"):
            engine.run(replace(spec, resume=True), TASK)
        return work(photos)

    assert engine.run(spec, replace(TASK, work=inside)).done == 19


def test_a_part_that_is_damaged_is_named(spec, tmp_path):
    with pytest.raises(Interrupted):
        engine.run(spec, stopped_at(6))
    (tmp_path / "out" / names(spec)[0]).write_bytes(b"torn")
    with pytest.raises(OutputError, match=r"part-00-00000000-0000\.parquet: is no part of a run"):
        engine.run(replace(spec, resume=True), TASK)


def test_a_sample_and_a_limit(spec, tmp_path):
    limited = replace(spec, limit=8)
    assert engine.run(limited, TASK).done == 8
    assert table(spec.parts) == single(spec, tmp_path)[:8]
    sampled = replace(spec, sample=5, overwrite=True)
    engine.run(sampled, TASK)
    first = table(spec.parts)
    assert len(first) == 5
    assert [row for row in single(spec, tmp_path) if row in first] == first
    engine.run(replace(sampled, seed=1), TASK)
    assert table(spec.parts) != first


@pytest.mark.parametrize("written", [1, 2, 5, 8, 9])
def test_a_disk_that_is_full_in_the_middle_of_a_file_loses_nothing(spec, tmp_path, monkeypatch, written):
    """The manifest is written first and last, seven parts between."""
    count = 0

    def failing(descriptor):
        nonlocal count
        count += 1
        if count == 2 * written - 1:  # each file is synced, then the folder
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OutputError, match="No space left"):
        engine.run(spec, TASK)
    monkeypatch.undo()
    assert len(names(spec)) == max(0, min(7, written - 2))
    assert not [*Path(spec.parts).glob(".*.tmp")]
    engine.run(replace(spec, resume=True), TASK)
    assert table(spec.parts) == single(spec, tmp_path)


def test_what_a_kill_left_in_the_middle_of_a_file_is_deleted(spec, tmp_path):
    with pytest.raises(Interrupted):
        engine.run(spec, stopped_at(4))
    (tmp_path / "out" / f".{names(spec)[0]}.1.tmp").write_bytes(b"half")
    engine.run(replace(spec, resume=True), TASK)
    assert not [*Path(spec.parts).glob(".*.tmp")]
    assert table(spec.parts) == single(spec, tmp_path)


def test_slices_of_a_table_of_images_are_partitions(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("imagist.images.sources.SLICE", 4)
    images = [(folder / "a" / f"{n}.png").read_bytes() for n in (0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 4)]
    pq.write_table(pa.table({"image": images, "n": range(11)}), folder / "x.parquet", row_group_size=3)
    spec = RunSpec((str(folder / "x.parquet"),), parts=str(tmp_path / "out"), part_rows=3)
    engine.run(spec, TASK)
    assert [name[5:21] for name in names(spec)] == [
        *("00-00000000-0000", "00-00000000-0001", "00-00000001-0000", "00-00000001-0001", "00-00000002-0000")
    ]
    assert table(spec.parts) == single(spec, tmp_path)
    assert [row["source"][-3:] for row in table(spec.parts)] == [f"t#{n}" if n < 10 else "#10" for n in range(11)]
    assert engine.run(replace(spec, update=True), TASK).done == 11


def test_a_part_of_a_worker_that_outlived_its_run_is_not_taken_for_one_of_this(spec, tmp_path):
    engine.run(spec, TASK)
    old = {name: (tmp_path / "out" / name).read_bytes() for name in names(spec)[:1]}
    whole = table(spec.parts)

    def disturbed(photos):
        if photos[-1].source.endswith("tar#4.png"):
            for name, content in old.items():
                (tmp_path / "out" / name).write_bytes(content)
        return work(photos)

    with pytest.raises(OutputError, match="another run has written it"):
        engine.run(replace(spec, overwrite=True), replace(TASK, work=disturbed))
    assert engine.run(replace(spec, resume=True), TASK).earlier == 16
    assert table(spec.parts) == whole
