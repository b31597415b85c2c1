"""Computes the tables of docs/scaling.md from the numbers that `benchmarks/archives.py` measured.

python benchmarks/scaling.py                 # renews what stands between the marks in docs/scaling.md
python benchmarks/scaling.py --price 0.03    # the same, at another price of a core and hour
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "archives.json"
PAGE = ROOT / "docs" / "scaling.md"
PRICE = 0.04  # of a core and hour, an assumption
MACHINE = 16  # cores of the machines of the plans
PLANS = {"1 M": (10**6, 1), "100 M": (10**8, 20), "10 G": (10**10, 250)}  # images, and machines
PART_ROWS = 1000
STAGES = ("reading", "reading and decoding", "pipeline", "engine")
DAY, HOUR = 86_400, 3_600

Numbers = Mapping[str, Any]


def duration(seconds: float) -> str:
    for unit, length in (("days", DAY), ("hours", HOUR), ("minutes", 60)):
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} seconds"


def core_seconds(found: Numbers) -> float:
    """Of an image on Ray: the processor time of the engine, over the share of the engine's rate that Ray reaches.

    Processor time is less disturbed by other work on the measured machine than rates are.
    """
    measured = found["rates"]
    share = min(1.0, measured["engine on ray"] / measured["engine"])
    return float(measured["engine, processor seconds an image"] / share)


def rates(found: Numbers, price: float) -> list[str]:
    """What was measured, and where the time of an image goes."""
    measured, cores = found["rates"], found["machine"]["cores"]
    spent = {name: 1000 * measured[f"{name}, processor seconds an image"] for name in STAGES}
    read, decoded, whole, written = spent.values()
    lines = [
        f"{measured['images']:,} images (Flickr8k, Caltech, ADE20K and tiny ImageNet, mixed, in 20 Parquet shards), "
        f"{cores} cores, the shipped model:",
        "",
        "| | images/s | an image and a core |",
        "|---|---|---|",
        *(
            f"| {name} | {measured[key]:,.0f} | {cores / measured[key] * 1000:.1f} ms |"
            for name, key in (
                ("`imagist.load()(rows)`, nothing written", "pipeline"),
                ("the engine, into a folder of parts", "engine"),
                ("the engine on Ray, an actor a core", "engine on ray"),
            )
        ),
        "",
        "The three took turns at groups of shards. The engine reaches "
        f"{measured['engine to the pipeline']:.2f} of the pipeline's rate, on Ray "
        f"{measured['engine on ray to the pipeline']:.2f}; by processor time {whole / written:.2f}.",
        "",
        "| where the time of an image goes | processor time |",
        "|---|---|",
        f"| reading its bytes from a shard | {read:.2f} ms |",
        f"| decoding it | {decoded - read:.2f} ms |",
        f"| networks: encoder, captioner, classifiers | {max(0.0, whole - decoded):.2f} ms |",
    ]
    small, large = found["overhead"].values()
    first, last = (f"{int(size):,}" for size in found["overhead"])
    return [
        *lines,
        f"| the engine: listing, batching, records, parts | {large['processor_us_per_row'] / 1000:.3f} ms |",
        "",
        f"With a mapper that does nothing the engine makes {large['rows_per_s']:,.0f} rows/s of {last} rows "
        f"({small['rows_per_s']:,.0f} of {first}), with {small['memory_mb']:.0f} MB of memory for {first} rows and "
        f"{large['memory_mb']:.0f} MB for {last} ({100 * (large['memory_mb'] / small['memory_mb'] - 1):+.1f}%).",
    ]


def drills(found: Numbers, price: float) -> list[str]:
    """What the drills did, and what it cost."""
    kinds, part = found["drills"]["kinds"], found["drills"]["part_rows"]
    kills = sum(kind["kills"] for kind in kinds.values())
    return [
        f"{kills} kills at random moments of runs over 400 images, in parts of {part} rows:",
        "",
        "| killed | times | rows lost | doubled | changed | images done again, at most |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {kind['kills']} | {kind['lost']} | {kind['doubled']} | {kind['changed']} "
            f"| {kind['most images done again']} |"
            for name, kind in kinds.items()
        ),
    ]


def plans(found: Numbers, price: float) -> list[str]:
    """What archives of three sizes take."""
    seconds, measured = core_seconds(found), found["rates"]
    lines = [
        f"By {seconds * 1000:.1f} ms of a core for an image (the engine's processor time, over the share of its rate "
        f"that Ray reaches), machines of {MACHINE} cores like the measured ones, and a price of {price:g} a core and "
        "hour, which is an assumption:",
        "",
        "| images | core hours | machines | time | cost | read | written | parts |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (images, machines) in PLANS.items():
        hours = images * seconds / HOUR
        lines.append(
            f"| {name} | {hours:,.0f} | {machines} | {duration(images * seconds / machines / MACHINE)} "
            f"| {hours * price:,.0f} | {_size(images * measured['image_bytes'])} "
            f"| {_size(images * measured['row_bytes'])} | {math.ceil(images / PART_ROWS):,} |"
        )
    bandwidth = measured["image_bytes"] / seconds * MACHINE / 1e6
    return [
        *lines,
        "",
        f"A machine reads {bandwidth:.1f} MB/s of images of {measured['image_bytes'] / 1000:.0f} KB and needs "
        f"{MACHINE * measured['memory_mb'] / 1000:.0f} GB of memory for {MACHINE} actors.",
    ]


def _size(size: float) -> str:
    for unit, length in (("TB", 1e12), ("GB", 1e9)):
        if size >= length:
            return f"{size / length:,.1f} {unit}"
    return f"{size / 1e6:,.0f} MB"


TABLES: dict[str, Callable[[Numbers, float], list[str]]] = {"drills": drills, "rates": rates, "plans": plans}


def page(text: str, found: Numbers, price: float = PRICE) -> str:
    """The page with its tables computed again."""
    for name, table in TABLES.items():
        begin, end = f"<!-- computed: {name} -->", "<!-- end -->"
        block = "\n".join([begin, "", *table(found, price), "", end])
        text, count = re.subn(f"{begin}.*?{end}", lambda _, block=block: block, text, count=1, flags=re.DOTALL)
        if not count:
            raise SystemExit(f"no place for {name} in {PAGE}")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--price", type=float, default=PRICE, help="of a core and hour")
    args = parser.parse_args()
    PAGE.write_text(page(PAGE.read_text("utf-8"), json.loads(RESULT.read_text()), args.price), "utf-8")


if __name__ == "__main__":
    main()
