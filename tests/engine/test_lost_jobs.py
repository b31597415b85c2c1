"""What is done with the job of a worker that died, without a cluster: an actor's methods are called as they are."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imagist.engine import Cluster, RunSpec, Task, ray_actors
from imagist.engine.partitions import Job, Partition
from imagist.engine.parts import Part, PartFolder
from imagist.engine.ray_actors import MOST_DEATHS, Note, Notes, Worker
from imagist.errors import UsageError, WorkerLost
from imagist.records import Row
from imagist.records.flat import CAPTION_FIELDS, columns

SPEC = RunSpec(("in",), batch_size=4, part_rows=3, cluster=Cluster(cores=1))


class Caption:
    def fields(self):
        return {"caption": "x"}


class DirectNotes:
    """The notes, whose methods have a `remote` that calls them at once."""

    def __init__(self, notes):
        self._notes = notes

    def __getattr__(self, name):
        return SimpleNamespace(remote=getattr(self._notes, name))


def part(number, rows):
    return Part("run", 0, 5, number, "digest", rows, 0, (), last=False)


def job(rows=(), **changed):
    return Job(Partition(5, "digest", tuple(rows)), **changed)


def test_a_job_that_was_not_begun_is_begun_again():
    one = job()
    again = ray_actors._rest(one, None, SPEC, 1)
    assert (again.partition, again.skip, again.alone, again.tries) == (one.partition, 0, range(0), 1)


def test_rows_in_flight_are_worked_on_alone_after_the_parts_that_are_there():
    rest = ray_actors._rest(job(skip=2, part=1), Note(2, 9, parts=[part(1, 3), part(2, 3)]), SPEC, 1)
    assert (rest.skip, rest.part, rest.quarantined) == (8, 3, frozenset())
    assert rest.alone == range(9, 9 + 4 * 4)


def test_a_row_that_ends_a_second_worker_is_quarantined_and_those_after_it_stay_alone():
    rest = ray_actors._rest(job(alone=range(9, 25), quarantined=frozenset({3})), Note(0, 12, alone=12), SPEC, 2)
    assert (rest.quarantined, rest.alone) == (frozenset({3, 12}), range(13, 25))


def test_too_many_deaths_end_the_run():
    with pytest.raises(WorkerLost, match=r"a\.jpg"):
        ray_actors._rest(job([Row("a.jpg")]), Note(0, 0), SPEC, MOST_DEATHS + 1)


def test_notes_count_what_is_in_flight():
    notes = Notes()
    notes.begin((1, 0), 4)
    notes.advance((1, 0), 2, [part(0, 2)])
    notes.begin((2, 0), 0)
    notes.advance((2, 0), 3, [])
    notes.alone((2, 0))
    assert notes.done() == 5
    found = notes.take((2, 0))
    assert (found.done, found.alone, found.parts) == (3, 3, [])
    assert notes.take((2, 0)) is None
    notes.advance((2, 0), 1, [])  # sent before its actor died
    notes.alone((2, 0))
    assert notes.done() == 2


def test_a_worker_notes_each_row_before_it_works_on_it_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # so that it is left again: a worker works in the driver's folder
    monkeypatch.setattr(ray_actors, "_ray", lambda: SimpleNamespace(get=lambda value: value))
    paths = [tmp_path / f"{n}.png" for n in range(8)]
    for path in paths:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    notes, sizes, alone = Notes(), [], []
    monkeypatch.setattr(notes, "alone", lambda key: alone.append(notes._notes[key].done))

    def work(photos):
        sizes.append(len(photos))
        return [Caption() for _ in photos]

    spec = RunSpec(("in",), parts=str(tmp_path / "out"), batch_size=4, part_rows=3)
    task = Task(work, columns(CAPTION_FIELDS), {})
    worker = Worker(lambda: task, spec, str(tmp_path), DirectNotes(notes))
    assert worker.begin() == (task.columns, {})
    doing = job([Row(str(path)) for path in paths], skip=1, quarantined=frozenset({5}), alone=range(3, 7))
    parts = worker.work(doing, "run")
    assert alone == [3, 4, 5, 6]
    assert sizes == [2, 1, 1, 1, 1]
    assert [(each.number, each.rows, each.last) for each in parts] == [(0, 3, False), (1, 3, False), (2, 1, True)]
    assert [each.failed for each in parts] == [0, 1, 0]
    rows = pq.read_table(tmp_path / "out").to_pylist()
    assert [row["source"] for row in rows] == [str(path) for path in paths[1:]]
    assert [row["error_kind"] for row in rows] == [None] * 4 + ["worker_died"] + [None] * 2
    assert PartFolder(spec.parts, task.columns, "run").parts() == parts


def test_actors_share_the_requests_to_a_host():
    limited = replace(SPEC, limits=replace(SPEC.limits, requests_per_s=10.0))
    assert ray_actors._share(limited, 4).limits.requests_per_s == 2.5
    assert ray_actors._share(SPEC, 4) is SPEC


@pytest.mark.parametrize(
    ("cores", "gpus", "room"),
    [(1, 0.0, 16), (4, 0.0, 4), (1, 0.25, 8), (1, 1.0, 2), (8, 0.25, 2), (17, 0.0, None), (1, 3.0, None)],
)
def test_there_are_as_many_actors_as_the_cluster_has_room_for(cores, gpus, room):
    fake = SimpleNamespace(cluster_resources=lambda: {"CPU": 16.0, "GPU": 2.0})
    if room is None:
        with pytest.raises(UsageError, match="an actor needs"):
            ray_actors._room(fake, Cluster(cores=cores, gpus=gpus))
    else:
        assert ray_actors._room(fake, Cluster(cores=cores, gpus=gpus)) == room


def test_a_cluster_that_is_not_there_is_named():
    def init(**_):
        raise ConnectionError("nobody answers")

    with pytest.raises(UsageError, match=r"somewhere: no Ray cluster there: nobody answers \(begin one"):
        ray_actors._connect(SimpleNamespace(init=init), Cluster("somewhere"))


def test_a_machine_where_ray_cannot_begin_is_an_error_with_a_remedy():
    def init(**_):
        raise Exception("timed out")

    with pytest.raises(
        UsageError, match=r"ray: Ray cannot begin a cluster here: timed out \(begin one .* --address auto"
    ):
        ray_actors._connect(SimpleNamespace(init=init), Cluster())
