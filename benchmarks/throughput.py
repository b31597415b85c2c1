"""Speed of the embedded bundle against its limits and against the plain way, and its memory, in one run.

    python benchmarks/throughput.py --data FOLDER       # into benchmarks/results/throughput.md

Limits on this machine's cores: decoding alone; the encoder alone; all networks without decoding. Peer: the same weights
in a plain PyTorch loop, one image at a time, eager, greedy, as tutorials do.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pyarrow.parquet as pq
import torch
from PIL import Image

from imagist.arrays import softmax
from imagist.bundle import open_bundle
from imagist.captioning.decoding import END, START
from imagist.classifiers.image.linear import LinearClassifier
from imagist.images import load as load_photos
from imagist.images import rows
from imagist.pipeline import load
from imagist.records import Photo
from imagist.training.captioners.vocabulary import UNKNOWN
from imagist.training.export.restore import restore
from imagist.training.networks.decoder import beams_of

RESULT = Path(__file__).parent / "results" / "throughput.md"
BATCH = 32
REPEATS = 3
PLAIN = 100  # images of the plain loop
SIDE = 224  # of the embedded encoder, in pixels


def best(measured: Callable[[], int]) -> float:
    """Images/s of the fastest of a few runs: other work on the machine only ever slows one down."""
    rates = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        number = measured()
        rates.append(number / (time.perf_counter() - began))
    return max(rates)


def batches(photos: list[Photo]) -> list[list[Photo]]:
    return [photos[i : i + BATCH] for i in range(0, len(photos), BATCH)]


def fresh(photos: list[Photo]) -> list[Photo]:
    """The same images as new photos, for which nothing is remembered."""
    return [Photo(photo.pixels, photo.source) for photo in photos]


def command(tables: list[Path], out: Path, *extra: str) -> list[str]:
    """``imagist classify`` over tables, which replaces its output."""
    settings = ["--out", str(out), "--overwrite", "--quiet", *extra]
    return [sys.executable, "-m", "imagist", "classify", *map(str, tables), *settings]


def classify(table: Path, out: Path, *extra: str) -> None:
    subprocess.run(command([table], out, *extra), check=True)


def plain_loop(table: Path, number: int) -> int:
    """What a tutorial does: read, decode, encode, classify, greedy words, classify them; one image at a time."""
    bundle = open_bundle("embedded")
    pipeline = load()
    networks, texts, image = restore(bundle), pipeline.text_classifier, pipeline.image_classifier
    assert isinstance(image, LinearClassifier)
    words = bundle.part("captioner").lines("vocabulary.txt")
    encoded = pq.read_table(table, columns=["image"]).slice(0, number)["image"].to_pylist()

    def loop() -> int:
        for row in encoded:
            with torch.no_grad():
                pixels = Image.open(io.BytesIO(row["bytes"])).convert("RGB").resize((SIDE, SIDE))
                grid = networks.encoder(torch.from_numpy(np.array(pixels))[None])
                softmax(grid.numpy().mean(1) @ image.matrix + image.bias)
                memory, first = networks.decoder.begin(grid)
                state, word, tokens = beams_of(first, 1), START, []
                for _ in range(20):
                    logits, _, state = networks.decoder.step(torch.tensor([[word]]), memory, state)
                    logits[..., [START, UNKNOWN]] = -torch.inf
                    word = int(logits.argmax())
                    if word == END:
                        break
                    tokens.append(words[word])
                texts.scores([" ".join(tokens)])
        return len(encoded)

    return best(loop)  # type: ignore[return-value]


def peak_memory(table: Path, times: int, folder: Path) -> float:
    """Peak resident MB of ``imagist classify`` over a table given ``times`` times."""
    code = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    out = folder / f"{times}.csv"
    done = subprocess.run(
        [sys.executable, "-c", code, *command([table] * times, out)], check=True, capture_output=True, text=True
    )
    return int(done.stdout.split()[-1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    parser.add_argument("--no-memory", action="store_true", help="leave out the runs over 700 and 7,000 images")
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the images with --data or IMAGIST_DATA")
    table = args.data / "flickr8k" / "dev.parquet"
    cores = len(os.sched_getaffinity(0))
    pipeline = load()
    photos = [photo for _, photo in load_photos(rows([str(table)])) if isinstance(photo, Photo)]
    encoder = open_bundle("embedded").encoder.session("encoder.onnx", 1)

    def encode(batch: list[Photo]) -> int:
        return len([encoder.run(None, {"pixels": photo.pixels[None]}) for photo in batch])

    def encode_stacked(batch: list[Photo]) -> int:
        return len(encoder.run(None, {"pixels": np.stack([photo.pixels for photo in batch])})[0])

    found: dict[str, float] = {}
    with ThreadPoolExecutor(cores) as pool:
        found["decode alone"] = best(lambda: sum(1 for _ in load_photos(rows([str(table)]), workers=cores)))
        found["encoder alone"] = best(lambda: sum(pool.map(encode, batches(photos))))
        found["encoder alone, by batches"] = best(lambda: sum(pool.map(encode_stacked, batches(photos))))
        found["all networks, no decoding"] = best(
            lambda: sum(map(len, pool.map(pipeline.predict, batches(fresh(photos)))))
        )
    found["pipeline over the table"] = best(lambda: sum(1 for _ in pipeline(rows([str(table)]))))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def whole() -> int:
            classify(table, folder / "whole.csv")
            return len(photos)

        found["imagist classify, start to file"] = best(whole)
        found["plain PyTorch loop, greedy"] = plain_loop(table, PLAIN)
        memory = {}
        if not args.no_memory:
            small = folder / "700.parquet"
            pq.write_table(pq.read_table(table).slice(0, 700), small)
            memory = {700: peak_memory(small, 1, folder), 7000: peak_memory(small, 10, folder)}
    text = report(found, memory, len(photos), cores)
    print(text)
    RESULT.write_text(text, "utf-8")


def report(found: dict[str, float], memory: dict[int, float], photos: int, cores: int) -> str:
    whole = found["pipeline over the table"]
    slower = min(found["decode alone"], found["encoder alone"])
    compute = found["all networks, no decoding"]
    shared = 1 / (1 / found["decode alone"] + 1 / compute)
    plain = found["plain PyTorch loop, greedy"]
    lines = [
        "# Throughput of the embedded bundle",
        "",
        f"`python benchmarks/throughput.py`: {photos} images of Flickr8k dev (224 px JPEG), batch {BATCH}, beam 3,"
        f" {cores} cores, {platform.machine()}, onnxruntime {onnxruntime.__version__}, torch {torch.__version__};"
        f" best of {REPEATS} runs.",
        "",
        "| what | images/s |",
        "|---|---|",
        *[f"| {name} | {rate:.0f} |" for name, rate in found.items()],
        "",
        "| ratio | |",
        "|---|---|",
        f"| pipeline to the slower of decode and encoder ({slower:.0f}/s) | {whole / slower:.2f} |",
        f"| pipeline to the compute limit: all networks without decoding ({compute:.0f}/s) | {whole / compute:.2f} |",
        f"| pipeline to decoding and networks sharing the cores ({shared:.0f}/s) | {whole / shared:.2f} |",
        f"| pipeline to the plain PyTorch loop | {whole / plain:.1f}x |",
    ]
    if memory:
        small, large = memory.values()
        lines += [
            "",
            f"Peak memory of `imagist classify`: {small:.0f} MB for 700 images, {large:.0f} MB for 7,000 "
            f"({100 * (large / small - 1):+.1f}%).",
        ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
