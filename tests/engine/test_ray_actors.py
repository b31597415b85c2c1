"""The engine on Ray: the same rows as the local one, though workers, nodes and images are lost."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imagist import engine
from imagist.engine import Cluster, RunSpec, Task
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
    ray.init(num_cpus=2, object_store_memory=80 << 20, include_dashboard=False, log_to_driver=False)
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


def test_it_gives_the_rows_of_the_local_engine_and_goes_on_where_that_stopped(spec, tmp_path):
    whole = replace(spec, parts=str(tmp_path / "local"))
    engine.run(whole, task())
    summary = engine.run(replace(spec, executor="ray"), task)
    assert (summary.done, summary.earlier, summary.failed) == (20, 0, 1)
    assert rows(spec.parts) == rows(whole.parts)
    names = sorted(path.name for path in Path(spec.parts).glob("part*"))
    assert names == sorted(path.name for path in Path(whole.parts).glob("part*"))
