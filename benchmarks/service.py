"""Load on the service: 64 closed-loop clients on this machine, with batches and without, and its memory.

    python benchmarks/service.py --data FOLDER                  # into benchmarks/results/service.md
    python benchmarks/service.py --data FOLDER --only-memory    # its last paragraph alone, in minutes

Clients and service share the cores. Each client sends an image, waits for the answer and sends the next. The clients
speak HTTP with as little work as possible, so that the numbers are the service's.

Two models: the one that ships, whose encoder takes as long for each image of a batch as for one alone, and a small
random BLIP, whose time is nearly all spent once a batch, as on accelerators (`tests/tiny_checkpoints.py`; needs torch).

Memory is read while the clients go on, over small images: networks take as long for these, decoders far less.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
from PIL import Image

RESULT = Path(__file__).parent / "results" / "service.md"
CLIENTS = 64
LIMIT_S = 1200  # of one load
STEP = 1000  # requests between readings of memory
NAMED = (2_000, 10_000, 20_000)  # requests after which memory is told
SMALL = 128  # longest side of the images over which memory is measured, in pixels
WARM = 256  # requests before a measurement
TESTS = Path(__file__).parents[1] / "tests"
HOLLOW = "hollow"
_HOLLOW = """\
import fake_service
from imagist.serving.server import serve
serve(fake_service.app(fake_service.model(), decoders=2), "127.0.0.1", 0)
"""


@dataclass
class Load:
    """What the clients of one measurement saw."""

    images: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    processor_s: float = 0.0  # of the service and its decoders

    @property
    def rate(self) -> float:
        """Images/s."""
        return self.images / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds within which this share of the answers came."""
        return float(np.quantile(self.latencies, share))


class Service:
    """``imagist serve`` on a free port; with `HOLLOW` among the options, over the tests' model, which costs nothing."""

    def __init__(self, *options: str, page: bool = False) -> None:
        command = [sys.executable, "-m", "imagist", "serve", "--port", "0", *([] if page else ["--no-page"]), *options]
        environment = dict(os.environ)
        if HOLLOW in options:
            command = [sys.executable, "-c", _HOLLOW]
            environment["PYTHONPATH"] = os.pathsep.join((str(TESTS), *sys.path))
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        assert self._process.stderr is not None
        line = self._process.stderr.readline()
        found = re.search(r":(\d+)$", line.strip())
        assert found, line
        self.port = int(found[1])
        self._drain = subprocess.Popen(["cat"], stdin=self._process.stderr, stdout=subprocess.DEVNULL)

    def memory(self) -> float:
        """Resident MB of the service and its decoders."""
        own = psutil.Process(self._process.pid)
        return sum(each.memory_info().rss for each in (own, *own.children())) / 1e6

    def processor_s(self) -> float:
        """Processor time of the service and its decoders so far."""
        own = psutil.Process(self._process.pid)
        times = [each.cpu_times() for each in (own, *own.children())]
        return float(sum(each.user + each.system for each in times))

    def close(self) -> int:
        """Asks it to stop; returns its exit code."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(60)
        self._drain.wait(10)
        return code


def request(content: bytes, path: str = "/v1/classify") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> int:
    """Sends a request and reads the answer; returns its status."""
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length, head
    await reader.readexactly(int(length[1]))
    return int(head[9:12])


async def load(
    port: int,
    requests: Sequence[bytes],
    number: int,
    clients: int = CLIENTS,
    answered: Callable[[int], None] = lambda _: None,
) -> Load:
    """Sends a number of requests from clients that each wait for their answers, of which `answered` gets the count."""
    seen, turn = Load(), count()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (n := next(turn)) < number:
            began = time.perf_counter()
            status = await ask(reader, writer, requests[n % len(requests)])
            seen.latencies.append(time.perf_counter() - began)
            seen.statuses[status] += 1
            seen.images += status == 200
            answered(len(seen.latencies))
        writer.close()

    began = time.perf_counter()
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*(client() for _ in range(clients)))
    seen.seconds = time.perf_counter() - began
    return seen


def measured(requests: Sequence[bytes], number: int, *options: str) -> Load:
    """A load on a fresh service."""
    service = Service(*options)
    try:
        asyncio.run(load(service.port, requests, WARM))
        spent = service.processor_s()
        seen = asyncio.run(load(service.port, requests, number))
        seen.processor_s = service.processor_s() - spent
    finally:
        code = service.close()
    assert code == 0, code
    return seen


def memory_over(requests: Sequence[bytes], number: int, *options: str) -> tuple[dict[int, float], Load]:
    """Memory of a fresh service in MB by the requests that it has answered, and what the clients saw."""
    service, found = Service(*options), dict[int, float]()

    def answered(count: int) -> None:
        if count % STEP == 0:
            found[count] = service.memory()
            print(f"{count:,} requests: {found[count]:.0f} MB", file=sys.stderr, flush=True)

    try:
        asyncio.run(load(service.port, requests, WARM))
        found[0] = service.memory()
        seen = asyncio.run(load(service.port, requests, number, answered=answered))
        seen.processor_s = service.processor_s()
    finally:
        assert service.close() == 0
    return found, seen


def memory_text(found: dict[int, float], seen: Load, of: str) -> str:
    """What the memory of a service did."""
    errors = sum(count for status, count in seen.statuses.items() if status not in (200, 429, 503))
    named = [count for count in found if count in NAMED] or [max(found)]
    told = ", ".join(f"{found[count]:.0f} MB after {count:,}" for count in named)
    later = [value for count, value in found.items() if count >= named[0]]
    return (
        f"Memory of {of}, its decoders included, images of {SMALL} px, one a request: {found[0]:.0f} MB after {WARM} "
        f"requests, {told} more; from the {named[0]:,}th on {min(later):.0f} to {max(later):.0f} MB in {len(later)} "
        f"readings. {seen.statuses.total():,} requests in {seen.seconds:.0f} s, {errors} errors other than 429 and 503."
    )


def small(image: bytes) -> bytes:
    """The image as a small JPEG."""
    with Image.open(io.BytesIO(image)) as opened:
        made = opened.convert("RGB")
    made.thumbnail((SMALL, SMALL))
    file = io.BytesIO()
    made.save(file, "jpeg")
    return file.getvalue()


def with_memory(document: str, text: str) -> str:
    """The document with a paragraph about memory in place of the one that begins with the same words."""
    same = text.partition(",")[0]
    parts = document.rstrip("\n").split("\n\n")
    kept = [part for part in parts if not part.startswith(same)]
    return "\n\n".join([*kept, text]) + "\n"


def of_blip(requests: Sequence[bytes], number: int) -> list[Load]:
    """Loads of captions by a small random BLIP, with batches and without."""
    sys.path.insert(0, str(TESTS))
    import tiny_checkpoints

    with tempfile.TemporaryDirectory() as folder:
        own = ["--captioner", "blip", "--captioner-model", str(tiny_checkpoints.blip(Path(folder)))]
        own += ["--beam", "1", "--threads", "1"]
        return [measured(requests, number, *own, *more) for more in ((), ("--batch-size", "1"))]


def batch_command(table: Path) -> tuple[float, float]:
    """Images/s, and processor ms an image, of ``imagist classify`` over the table, from start to file."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.csv"
        command = [sys.executable, "-m", "imagist", "classify", str(table), "--out", str(out), "--quiet"]
        began, spent, number = time.perf_counter(), children_s(), pq.read_metadata(table).num_rows
        subprocess.run(command, check=True)
        return number / (time.perf_counter() - began), 1000 * (children_s() - spent) / number


def children_s() -> float:
    """Processor time of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    parser.add_argument("--requests", type=int, default=3000, help="requests of a measurement (default: 3000)")
    parser.add_argument("--memory", type=int, default=20_000, help="requests while memory is measured; 0: none")
    parser.add_argument("--encoder", default="embedded", help="encoder of the model (default: embedded)")
    parser.add_argument("--only-memory", action="store_true", help="measure memory alone")
    parser.add_argument("--hollow", action="store_true", help="with --only-memory: all but the networks, in minutes")
    parser.add_argument("--no-blip", action="store_true", help="measure the shipped model alone")
    parser.add_argument("--no-file", action="store_true", help="print the result, write no file")
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the images with --data or IMAGIST_DATA")
    table = args.data / "flickr8k" / "dev.parquet"
    images = [row["bytes"] for row in pq.read_table(table, columns=["image"])["image"].to_pylist()]
    requests = [request(image) for image in images]
    args.busy = os.getloadavg()[0]
    own = ("--encoder", args.encoder)
    if args.only_memory:
        memory = memory_of(args, images, own)
        if not args.no_file:
            RESULT.write_text(with_memory(RESULT.read_text("utf-8"), memory), "utf-8")
        print(memory)
        return
    batched = measured(requests, args.requests, *own)
    single = measured(requests, args.requests // 3, *own, "--batch-size", "1")
    command = batch_command(table)
    blip = [] if args.no_blip else of_blip([request(image, "/v1/caption") for image in images], args.requests // 5)
    memory = memory_of(args, images, own) if args.memory else ""
    text = report(args, [batched, single, *blip], command, memory)
    if not args.no_file:
        RESULT.write_text(text, "utf-8")
    print(text)


def memory_of(args: argparse.Namespace, images: Sequence[bytes], own: Sequence[str]) -> str:
    """What the memory of the service that is asked for does."""
    options, of = ((HOLLOW,), "a service whose networks cost nothing") if args.hollow else (own, "the shipped model")
    return memory_text(*memory_over([request(small(each)) for each in images], args.memory, *options), of)


def report(
    args: argparse.Namespace,
    loads: Sequence[Load],
    command: tuple[float, float],
    memory: str,
) -> str:
    cores = len(os.sched_getaffinity(0))
    lines = [
        "# Load on the service",
        "",
        f"`python benchmarks/service.py`: {CLIENTS} closed-loop clients, images of Flickr8k dev (JPEG), "
        f"`/v1/classify` of the shipped model with the encoder {args.encoder}, `/v1/caption` of a small random BLIP, "
        f"{cores} cores for clients and service, {platform.machine()}.",
        "",
        "| | images/s | processor ms an image | median | p99 | p99 / median | answers by status |",
        "|---|---|---|---|---|---|---|",
    ]
    names = ("batches of up to 32", "batching off", "small BLIP, batches of up to 32", "small BLIP, batching off")
    for name, seen in zip(names, loads, strict=False):
        low, high = seen.percentile(0.5), seen.percentile(0.99)
        statuses = json.dumps(dict(sorted(seen.statuses.items()))).replace('"', "")
        cost = 1000 * seen.processor_s / seen.images
        cells = [
            f"{seen.rate:.0f}",
            f"{cost:.1f}",
            f"{1000 * low:.0f} ms",
            f"{1000 * high:.0f} ms",
            f"{high / low:.1f}",
        ]
        lines.append(f"| {' | '.join([name, *cells, statuses])} |")
    rate, processor = command
    batched, single, *blip = loads
    lines += [f"| `imagist classify`, start to file | {rate:.0f} | {processor:.1f} | | | | |", ""]
    gain, share = batched.rate / single.rate, batched.rate / rate
    batched_cost, single_cost = (seen.processor_s / seen.images for seen in (batched, single))
    lines += [
        f"Batches to no batches: {gain:.2f}x; by processor time {single_cost / batched_cost:.2f}x. To the command: "
        f"{share:.2f}; by processor time {processor / (1000 * batched_cost):.2f}.",
        *([f"Small BLIP, batches to no batches: {blip[0].rate / blip[1].rate:.2f}x."] if blip else []),
        "",
    ]
    if args.busy > cores / 2:
        lines += [
            f"Other work kept the machine busy (load {args.busy:.1f} before the run): wall-clock numbers are too low, "
            "processor time is what compares.",
            "",
        ]
    if memory:
        lines += [memory, ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
