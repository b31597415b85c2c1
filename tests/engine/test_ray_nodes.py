"""Two nodes of a Ray cluster on this machine, one of which is lost during a run."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imagist import engine
from imagist.engine import Cluster, RunSpec, Task
from imagist.records.flat import CAPTION_FIELDS, columns

pytestmark = [pytest.mark.ray, pytest.mark.slow]
ray = pytest.importorskip("ray")


@dataclass(frozen=True)
class Node:
    name: str

    def fields(self):
        return {"caption": self.name}


def task(pause):
    """The node that works on each image, slowly."""

    def work(photos):
        import ray

        time.sleep(pause * len(photos))
        return [Node(ray.get_runtime_context().get_node_id()) for _ in photos]

    return Task(work, columns(CAPTION_FIELDS), {"task": "node"})


@pytest.fixture
def nodes(monkeypatch):
    """A head and another node, of one core each."""
    from ray.cluster_utils import Cluster as Nodes

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    assert not ray.is_initialized()
    store = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    found = Nodes(initialize_head=True, head_node_args=store)
    del store["include_dashboard"]
    second = found.add_node(**store)
    found.wait_for_nodes()
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    ray.init(address=found.address, log_to_driver=False)
    yield found, second
    ray.shutdown()
    found.shutdown()


def test_losing_a_node_loses_nothing(nodes, tmp_path):
    found, second = nodes
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(40):
        Image.fromarray(np.full((8, 8, 3), n, np.uint8)).save(folder / f"{n:02d}.png")
    spec = RunSpec(
        (str(folder),), parts=str(tmp_path / "out"), part_rows=4, batch_size=2, executor="ray", cluster=Cluster()
    )

    def lose():
        while len({*captions(spec.parts)}) < 2:
            time.sleep(0.1)
        found.remove_node(second, allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    summary = engine.run(spec, partial(task, 0.2))
    losing.join()
    assert (summary.done, summary.failed) == (40, 0)
    assert len(captions(spec.parts)) == 40
    assert len({*captions(spec.parts)}) == 2


def captions(folder):
    return [c for path in Path(folder).glob("part*") for c in pq.read_table(path)["caption"].to_pylist()]
