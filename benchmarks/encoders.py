"""Speed of the encoders on the CPU: images a second of processor time, by threads, in one run.

    python benchmarks/encoders.py            # into benchmarks/results/encoders.md; needs imagist[lite]

Processor time, over all threads, depends little on what else the machine does. Rounds alternate between the encoders,
and the best round of each counts.
"""

from __future__ import annotations

import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime

from imagist.bundle import SHIPPED, open_folder
from imagist.images.encoder import Encoder
from imagist.protocols import PartOptions
from imagist.registry import find

RESULT = Path(__file__).parent / "results" / "encoders.md"
FOLDERS = {"embedded": SHIPPED / "embedded" / "encoder", "lite": SHIPPED / "encoders" / "lite"}
ROUNDS, SECONDS = 5, 0.6
WAYS = {"1 thread": (1, 1), "2 threads in one run": (2, 1), "2 runs of 1 thread each": (1, 2)}
"""For each way the threads within a run, and the runs side by side."""


def opened(name: str, threads: int) -> Encoder:
    folder = open_folder(FOLDERS[name])
    encoder: Encoder = find("encoders", folder.kind)(str(folder.path), PartOptions(threads=threads))
    return encoder


def rate(encoder: Encoder, runs: int, pixels: np.ndarray) -> float:
    """Images a second of processor time, with so many runs side by side."""

    def work(_: int) -> int:
        number, end = 0, time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            encoder.encode(pixels)
            number += 1
        return number

    began = time.process_time()
    with ThreadPoolExecutor(runs) as pool:
        number = sum(pool.map(work, range(runs)))
    return number / (time.process_time() - began)


def main() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    encoders, openings = {}, dict.fromkeys(FOLDERS, np.inf)
    for name in FOLDERS:
        for threads in (1, 2):
            began = time.perf_counter()
            encoders[name, threads] = opened(name, threads)
            openings[name] = min(openings[name], time.perf_counter() - began)
    found = {(name, way): 0.0 for way in WAYS for name in FOLDERS}
    for _ in range(ROUNDS):
        for name, way in found:
            threads, runs = WAYS[way]
            found[name, way] = max(found[name, way], rate(encoders[name, threads], runs, pixels))
    lines = [
        "# Speed of the encoders",
        "",
        f"`python benchmarks/encoders.py`: one image of 224 px at a time, {len(os.sched_getaffinity(0))} cores, "
        f"{platform.machine()}, onnxruntime {onnxruntime.__version__}; the best of {ROUNDS} rounds.",
        "",
        f"| images a second of processor time | {' | '.join(FOLDERS)} | ratio |",
        "|---|---|---|---|",
    ]
    for way in WAYS:
        first, second = (found[name, way] for name in FOLDERS)
        lines.append(f"| {way} | {first:.0f} | {second:.0f} | {second / first:.2f} |")
    first, second = openings.values()
    lines += [f"| opening, in milliseconds | {1000 * first:.0f} | {1000 * second:.0f} | |", ""]
    RESULT.write_text("\n".join(lines), "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
