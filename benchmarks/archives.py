"""Runs into folders of parts: overhead of the engine, its rate on real images, and drills in which it is killed.

    python benchmarks/archives.py overhead             # 0.2 and 2 million rows through a mapper that does nothing
    python benchmarks/archives.py rates --data FOLDER  # the pipeline alone, the engine, the engine on Ray, in turn
    python benchmarks/archives.py drills               # 30 kills; needs Ray

Each adds its numbers to benchmarks/results/archives.json, from which `benchmarks/scaling.py` computes docs/scaling.md.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imagist import engine
from imagist.engine import Cluster, RunSpec, Task
from imagist.engine.stores import LocalStore
from imagist.images import loader, rows
from imagist.records import Photo
from imagist.records.flat import CAPTION_FIELDS, columns

RESULT = Path(__file__).parent / "results" / "archives.json"
SIZES = (200_000, 2_000_000)
PART_ROWS = 1000
IMAGES, SHARDS = 20_000, 20
GROUPS = 5  # of shards, at which the three that are measured take turns
DRILLS = {"driver": 9, "mid-write": 7, "full disk": 5, "ray worker": 4, "ray driver": 2, "ray node": 3}
DRILL_IMAGES, DRILL_PART, DRILL_ACTORS = 400, 20, 2
SECONDS = 0.004  # of a drill's image


def save(**found: object) -> None:
    """Adds numbers to the result, with the machine that they are of."""
    before = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    cores = len(os.sched_getaffinity(0))
    machine = {"cores": cores, "processor": platform.machine(), "python": platform.python_version()}
    RESULT.write_text(json.dumps({**before, "machine": machine, **found}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


class Nothing:
    """The result of a mapper that does nothing."""

    def fields(self) -> dict[str, object]:
        """The same for every image."""
        return {"caption": "a dog on a beach", "caption_logprob": -1.5, "nbest": None}


def noop(number: int, folder: Path) -> None:
    """Runs the engine over so many rows of a table; their images are neither read nor decoded. Prints the numbers."""
    table, photo, result = folder / f"{number}.csv", Photo(np.zeros((8, 8, 3), np.uint8)), Nothing()
    with table.open("w") as file:
        file.write("image,account,likes\n")
        for n in range(number):
            file.write(f"https://example.org/posts/{n // 100}/{n}.jpg,account{n % 1000},{n % 977}\n")
    loader._photo = lambda row, limits: photo
    task = Task(lambda photos: [result] * len(photos), columns(CAPTION_FIELDS), {"task": "nothing"})
    began, used = time.perf_counter(), time.process_time()
    summary = engine.run(RunSpec((str(table),), parts=str(folder / "out"), part_rows=PART_ROWS), task)
    seconds = time.perf_counter() - began
    assert summary.done == sum(pq.read_metadata(path).num_rows for path in (folder / "out").glob("part*")) == number
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    used = time.process_time() - used
    print(
        json.dumps({"rows_per_s": number / seconds, "processor_us_per_row": used / number * 1e6, "memory_mb": memory})
    )


def overhead() -> None:
    """Each size in a process of its own, so that its memory is."""
    found = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            command = [sys.executable, __file__, "noop", str(size), name]
            found[str(size)] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    save(overhead=found)


def shards(data: Path, folder: Path, images: int) -> list[str]:
    """Shards of images of Flickr8k, tiny ImageNet and others, mixed."""
    flickr = sorted((data / "flickr8k").glob("train-*.parquet"))
    pools = [[data / "more.parquet"], flickr, [data / "tiny_imagenet.parquet"]]
    found: list[Any] = []
    for paths, share in zip(pools, (7000, 7000, 6000), strict=True):
        encoded = pa.concat_tables([pq.read_table(path, columns=["image"]) for path in paths])["image"]
        found += [each["bytes"] for each in encoded.slice(0, share * images // 20_000).to_pylist()]
    random.Random(0).shuffle(found)
    size = len(found) // SHARDS
    for n in range(SHARDS):
        table = pa.table({"image": found[n * size : (n + 1) * size], "number": range(n * size, (n + 1) * size)})
        pq.write_table(table, folder / f"{n:03d}.parquet", row_group_size=100)
    return [str(path) for path in sorted(folder.glob("*.parquet"))]


def shipped() -> Task[Any]:
    """Classification by the shipped model, on one core."""
    import imagist

    return engine.classification(imagist.load(threads=1))


def rates(data: Path, images: int) -> None:
    """Images/s of `imagist.load()` over rows, of the engine, and of the engine on Ray, with warm models.

    The three take turns at groups of shards, so that what else the machine does falls on all of them.
    """
    import ray

    import imagist

    cores, seconds, used = len(os.sched_getaffinity(0)), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources, number = shards(data, folder, images), 0
        pipeline = imagist.load()
        list(pipeline(rows(sources[:1])))
        task = engine.classification(pipeline)
        ray.init("local", num_cpus=cores, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False)
        ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
        for begin in range(0, SHARDS, SHARDS // GROUPS):
            group = tuple(sources[begin : begin + SHARDS // GROUPS])
            spec = RunSpec(group, parts=str(folder / "out"), overwrite=True, part_rows=PART_ROWS)
            on_ray = RunSpec(**{**vars(spec), "executor": "ray", "cluster": Cluster(actors=cores)})
            began, processor = time.perf_counter(), time.process_time()
            count = sum(1 for _ in pipeline(rows(group)))
            seconds["pipeline"] += time.perf_counter() - began
            used["pipeline"] += time.process_time() - processor
            processor = time.process_time()
            seconds["engine"] += count / engine.run(spec, task).rate
            used["engine"] += time.process_time() - processor
            seconds["engine on ray"] += count / engine.run(on_ray, shipped).rate
            number += count
            print({each: number / spent for each, spent in seconds.items()}, flush=True)
        stages = seconds_of_stages(sources[:4])
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        size = sum(path.stat().st_size for path in (folder / "out").glob("part*")) / count
        read = sum(Path(path).stat().st_size for path in sources) / number
    found = {each: number / spent for each, spent in seconds.items()}
    ratios = {f"{each} to the pipeline": found[each] / found["pipeline"] for each in ("engine", "engine on ray")}
    ratios |= {f"{each}, processor seconds an image": spent / number for each, spent in used.items()}
    ratios |= {f"{each}, processor seconds an image": spent for each, spent in stages.items()}
    save(rates={"images": number, **found, **ratios, "memory_mb": memory, "row_bytes": size, "image_bytes": read})


def seconds_of_stages(sources: Sequence[str]) -> dict[str, float]:
    """Processor seconds of one thread for an image: to read it, and to read and decode it."""
    found = {}
    for name, through in (("reading", rows), ("reading and decoding", lambda each: loader.load(rows(each), workers=1))):
        used, number = time.process_time(), sum(1 for _ in through(sources))
        found[name] = (time.process_time() - used) / number
    return found


# ------------------------------------------------------------------------------------------------------- drills


def slow(log: str) -> Task[Any]:
    """A task that takes its time and notes every image that it works on."""

    class Seen:
        def __init__(self, source: str) -> None:
            self.source = source

        def fields(self) -> dict[str, object]:
            """The name of the image."""
            return {"caption": Path(self.source).name}

    def work(photos: Sequence[Photo]) -> list[Any]:
        time.sleep(SECONDS * len(photos))
        with Path(log).open("a") as file:
            file.write("".join(f"{photo.source}\n" for photo in photos))
        return [Seen(photo.source) for photo in photos]

    return Task(work, columns(CAPTION_FIELDS), {"task": "slow"})


def work(sources: str, out: str, log: str, kind: str, fault: int) -> None:
    """A driver that goes on with a run; with a fault at its n-th write where it is above 0."""
    write, count = LocalStore.write, 0

    def faulty(store: LocalStore, name: str, content: bytes) -> None:
        nonlocal count
        count += 1
        if count == fault and kind == "mid-write":
            (Path(store.address) / f".{name}.0.tmp").write_bytes(content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        if count == fault and kind == "full disk":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(store, name, content)

    if fault:
        LocalStore.write = faulty  # type: ignore[method-assign]
    is_ray = kind.startswith("ray")
    spec = RunSpec((sources,), parts=out, part_rows=DRILL_PART, resume=True, batch_size=4)
    if not is_ray:
        engine.run(spec, slow(log))
        return
    import ray

    if kind == "ray node":
        _with_nodes(Path(out), fault)
    else:
        ray.init(
            "local", num_cpus=DRILL_ACTORS, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False
        )
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    spec = RunSpec(**{**vars(spec), "executor": "ray", "cluster": Cluster(actors=DRILL_ACTORS)})
    if kind == "ray worker" and fault:
        threading.Thread(target=_kill_workers, args=(Path(out), fault), daemon=True).start()
    engine.run(spec, partial(slow, log))


def _parts(out: Path) -> int:
    return len([*out.glob("part*")])


def _await(out: Path, parts: int) -> None:
    """Waits until so many parts are there, and then for a random part of the time of another."""
    while _parts(out) < parts:
        time.sleep(0.005)
    time.sleep(random.random() * SECONDS * DRILL_PART)


def _kill_workers(out: Path, parts: int) -> None:
    """Kills a worker when so many parts are there, and it has begun another one."""
    import psutil

    _await(out, parts)
    workers = [each for each in psutil.Process().children(recursive=True) if "ray::Worker" in "".join(each.cmdline())]
    random.choice(workers).kill()


def _with_nodes(out: Path, fault: int) -> None:
    """A cluster of two nodes on this machine, of which one ends when so many parts are there."""
    import ray
    from ray.cluster_utils import Cluster as Nodes

    store = {"num_cpus": 1, "object_store_memory": 80 << 20}
    nodes = Nodes(initialize_head=True, head_node_args={**store, "include_dashboard": False})
    second = nodes.add_node(**store)
    nodes.wait_for_nodes()
    ray.init(address=nodes.address, log_to_driver=False)

    def lose() -> None:
        _await(out, fault)
        nodes.remove_node(second, allow_graceful=False)

    if fault:
        threading.Thread(target=lose, daemon=True).start()


def drill(kind: str, sources: Path, folder: Path, choice: random.Random) -> dict[str, int]:
    """One kill at a random moment, and the run to its end; rows lost, doubled and changed, and images done again."""
    out, log = folder / "out", folder / "log"
    command = [sys.executable, __file__, "work", str(sources), str(out), str(log), kind]
    total = DRILL_IMAGES // DRILL_PART
    first = choice.randrange(2, total - 2)
    inside = kind not in ("driver", "ray driver")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, str(first if inside else 0)], **quiet) as running:
        if not inside:
            _await(out, first)
            running.kill()
        running.wait()
    if running.returncode != 0:
        subprocess.run([*command, "0"], check=True, **quiet)
    found = [(row["source"], row["caption"]) for row in pq.read_table(out).to_pylist()]
    expected = [(str(path), path.name) for path in sorted(sources.iterdir())]
    counts = Counter(found)
    again = len(log.read_text().split("\n")) - 1 - DRILL_IMAGES
    return {
        "lost": len({*expected} - {*found}),
        "doubled": sum(count - 1 for count in counts.values()),
        "changed": len({*found} - {*expected}) + (found != expected),
        "again": max(0, again),
        "left": len([*out.glob(".*.tmp")]),
    }


def drills() -> None:
    """All drills; the run is repeated at most by a part, and by what was in flight, for each worker."""
    from PIL import Image

    choice, found = random.Random(0), dict[str, dict[str, int]]()
    with tempfile.TemporaryDirectory() as name:
        sources = Path(name) / "images"
        sources.mkdir()
        for n in range(DRILL_IMAGES):
            Image.fromarray(np.full((8, 8, 3), n % 256, np.uint8)).save(sources / f"{n:04d}.png")
        for kind, number in DRILLS.items():
            results = []
            for each in range(number):
                folder = Path(name) / f"{kind}{each}".replace(" ", "-")
                folder.mkdir()
                results.append(drill(kind, sources, folder, choice))
                print(kind, results[-1], flush=True)
                shutil.rmtree(folder)
            found[kind] = {
                "kills": number,
                **{fault: sum(each[fault] for each in results) for fault in ("lost", "doubled", "changed", "left")},
                "most images done again": max(each["again"] for each in results),
            }
    save(drills={"part_rows": DRILL_PART, "workers": DRILL_ACTORS, "kinds": found})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("overhead")
    commands.add_parser("drills")
    measured = commands.add_parser("rates")
    measured.add_argument("--images", type=int, default=IMAGES)
    measured.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    inner = commands.add_parser("noop")
    inner.add_argument("number", type=int)
    inner.add_argument("folder", type=Path)
    inner = commands.add_parser("work")
    for each in ("sources", "out", "log", "kind"):
        inner.add_argument(each)
    inner.add_argument("fault", type=int)
    args = vars(parser.parse_args())
    command = args.pop("command")
    if command == "rates" and args["data"] is None:
        parser.error("name the images with --data or IMAGIST_DATA")
    {"overhead": overhead, "drills": drills, "rates": rates, "noop": noop, "work": work}[command](**args)


if __name__ == "__main__":
    main()
