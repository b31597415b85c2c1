"""The engine on Ray: the same rows as the local one, though workers, nodes and images are lost."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imagist import engine
from imagist.engine import Cluster, Interrupted, RunSpec, Task
from imagist.errors import BundleNotFound
from imagist.records.flat import CAPTION_FIELDS, columns

pytestmark = pytest.mark.ray
ray = pytest.importorskip("ray")


@dataclass(frozen=True)
class Red:
    value: int

    def fields(self):
        return {"caption": f"red {self.value}"}


def task(deadly=(), once=None, pause=0.0):
    """The colour of each image; a deadly one ends the worker: always, or once, where a file shall be left."""

    def work(photos):
        reds = [int(photo.pixels[0, 0, 0]) for photo in photos]
        time.sleep(pause * len(reds))
        if any(red in deadly for red in reds) and not (once and once.exists()):
            if once:
                once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return [Red(red) for red in reds]

    return Task(work, columns(CAPTION_FIELDS), {"task": "red"})


@pytest.fixture(scope="module")
def cluster():
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests
    ray.init("local", num_cpus=2, object_store_memory=80 << 20, include_dashboard=False, log_to_driver=False)
    yield Cluster(actors=2)
    ray.shutdown()


@pytest.fixture
def spec(tmp_path, cluster):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(20):
        Image.fromarray(np.full((8, 8, 3), n, np.uint8)).save(folder / f"{n:02d}.png")
    (folder / "03.png").write_bytes(b"no image")
    return RunSpec((str(folder),), parts=str(tmp_path / "out"), part_rows=4, batch_size=2, cluster=cluster)


def rows(folder):
    return pq.read_table(folder).to_pylist()


@pytest.mark.parametrize("executor", ["local", "ray"])
def test_every_engine_gives_the_rows_of_one_table_and_goes_on_where_another_stopped(spec, tmp_path, executor):
    table = tmp_path / "one.parquet"
    engine.run(replace(spec, parts=None, out=table), task())
    for others in (False, True):
        spec = replace(spec, parts=str(tmp_path / f"out{others}"), executor=executor)
        if others:  # all parts but three are of the other engine
            other = replace(spec, executor="ray" if executor == "local" else "local")
            engine.run(other, task)
            unfinish(Path(spec.parts), lost=3)
        summary = engine.run(replace(spec, resume=others), task)
        assert (summary.done, summary.earlier, summary.failed) == (20, 8 if others else 0, 1)
        assert rows(spec.parts) == rows(table)


def test_a_worker_that_dies_once_costs_nothing(spec, tmp_path):
    deadly = partial(task, deadly=(6, 17), once=tmp_path / "died")
    summary = engine.run(replace(spec, executor="ray"), deadly)
    assert (summary.done, summary.failed) == (20, 1)
    assert [row["caption"] for row in rows(spec.parts)] == [None if n == 3 else f"red {n}" for n in range(20)]


def test_an_image_that_ends_two_workers_is_an_error_of_its_own(spec):
    summary = engine.run(replace(spec, executor="ray"), partial(task, deadly=(6, 17)))
    assert (summary.done, summary.failed) == (20, 3)
    found = {row["source"][-6:-4]: row["error_kind"] for row in rows(spec.parts) if row["error_kind"]}
    assert found == {"03": "unknown_format", "06": "worker_died", "17": "worker_died"}
    assert [row["caption"] for row in rows(spec.parts)] == [None if n in (3, 6, 17) else f"red {n}" for n in range(20)]


def unusable():
    raise BundleNotFound("no such model", item="none")


def test_a_model_that_cannot_be_opened_ends_the_run_with_its_error(spec):
    with pytest.raises(BundleNotFound, match="none: no such model"):
        engine.run(replace(spec, executor="ray"), unusable)
    assert not Path(spec.parts).exists()


def test_ctrl_c_ends_the_run_and_keeps_its_parts(spec):
    timer = threading.Thread(target=interrupt_when, args=(Path(spec.parts),))
    timer.start()
    with pytest.raises(Interrupted):
        engine.run(replace(spec, executor="ray"), partial(task, pause=0.2))
    timer.join()
    summary = engine.run(replace(spec, resume=True), task())
    assert summary.done == 20
    assert summary.earlier >= 4
    assert [row["caption"] for row in rows(spec.parts)] == [None if n == 3 else f"red {n}" for n in range(20)]


def interrupt_when(folder):
    """Ctrl-C when the first part is there."""
    while not [*folder.glob("part*")]:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


def unfinish(folder, lost):
    """Makes a finished folder one of a run that was killed before it wrote its last parts."""
    for path in sorted(folder.glob("part*"))[-lost:]:
        path.unlink()
    manifest = json.loads((folder / "_manifest.json").read_text())
    (folder / "_manifest.json").write_text(json.dumps(manifest | {"complete": False}))
