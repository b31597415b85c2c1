"""Interrogation beside clip-interrogator 0.6.0: one run, the same random weights of ViT-B/32's size, the same tables.

    python benchmarks/interrogate.py TABLES      # into benchmarks/results/interrogate.md; some minutes

TABLES is the folder of clip-interrogator's tables (its ``data``). Both have the same random vectors for the phrases in
their caches, as embedding them with such a network takes an hour; both get the same captions, and embed images and
texts. Each mode is measured twice: by the clock on all cores, and by processor time on one thread, which depends little
on what else the machine does; of three runs (of the peer's ``best``: one) the fastest counts. The peer needs
``pip install --no-deps clip-interrogator==0.6.0 requests tqdm`` beside imagist[torch,openclip].
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image
from safetensors.numpy import save_file

from imagist.arrays import unit
from imagist.captioning.interrogation.interrogator import Interrogator
from imagist.captioning.interrogation.settings import InterrogationSettings
from imagist.matching.backends.open_clip import OpenClipMatcher
from imagist.matching.phrases import PhraseTables, open_tables
from imagist.protocols import PartOptions
from imagist.records import Caption, Photo
from imagist.storage import digest_of

RESULT = Path(__file__).parent / "results" / "interrogate.md"
ARCHITECTURE, WIDTH = "ViT-B-32", 512
CAPTION = "a photo of a dog running on a beach"
IMAGES = {"fast": (32, 6), "classic": (32, 6), "best": (1, 1)}
"""For each mode how many images ours and the peer are given."""

CHAIN = {"min_phrases": 2, "max_phrases": 3, "candidates": 512}
"""``best`` as small as a few minutes of the peer allow; its defaults are 8, 32 and 2,048."""

RUNS = 3
CORES = os.cpu_count() or 1

MANY = 1000  # images of the measurement of memory


class Said:
    """A captioner that knows one sentence."""

    id, concurrent = "said", False

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """The sentence for each."""
        return [Caption(CAPTION, -1.0) for _ in photos]

    def save(self, folder: Path) -> None:
        """Not needed."""
        raise NotImplementedError


@dataclass
class Vectors:
    """Random unit vectors, the same for the same phrase."""

    known: dict[str, int]
    rows: np.ndarray

    @classmethod
    def of(cls, phrases: Sequence[str]) -> Vectors:
        """Those of some phrases."""
        distinct = {phrase: number for number, phrase in enumerate(dict.fromkeys(phrases))}
        rows = unit(np.random.default_rng(0).normal(size=(len(distinct), WIDTH))).astype(np.float16)
        return cls(distinct, rows)

    def __call__(self, phrases: Sequence[str]) -> np.ndarray:
        """Those of these phrases, float16 ``[M, D]``."""
        return self.rows[[self.known[" ".join(phrase.split())] for phrase in phrases]]


def photos(count: int) -> list[Photo]:
    rng = np.random.default_rng(1)
    return [Photo(rng.integers(0, 256, (224, 224, 3), np.uint8)) for _ in range(count)]


def ours(matcher: OpenClipMatcher, tables: PhraseTables, cache: Path, mode: str) -> Interrogator:
    settings = InterrogationSettings(mode, **CHAIN) if mode == "best" else InterrogationSettings(mode)
    made = Interrogator(Said(), matcher, tables, settings, cache=cache)
    made.prepare()
    return made


def peer(network: Any, transform: Any, folder: Path, cache: Path, vectors: Vectors) -> Any:
    """clip-interrogator over the same network, with the vectors in its cache."""
    from clip_interrogator import Config
    from clip_interrogator import Interrogator as Peer
    from clip_interrogator.clip_interrogator import LabelTable

    original = LabelTable.__init__

    def filled(self: Any, labels: list[str], desc: str | None, of: Any) -> None:
        if labels:
            import hashlib

            digest = hashlib.sha256(",".join(labels).encode()).hexdigest()
            file = cache / f"{of.config.clip_model_name.replace('/', '_')}_{desc}.safetensors"
            save_file({"embeds": vectors(labels), "hash": np.array([ord(c) for c in digest], np.int8)}, file)
        original(self, labels, desc, of)

    LabelTable.__init__ = filled
    config = Config(
        clip_model_name=f"{ARCHITECTURE}/random", caption_model_name=None, cache_path=str(cache), download_cache=False,
        data_path=str(folder), device="cpu", quiet=True, flavor_intermediate_count=CHAIN["candidates"],
    )  # fmt: skip
    config.clip_model, config.clip_preprocess = network, transform
    return Peer(config)


def timed(work: Callable[[], list[str]], threads: int, runs: int = RUNS) -> tuple[list[str], float]:
    """What the work gives, and its images a second: of processor time on one thread, by the clock on several."""
    clock, found, best = time.process_time if threads == 1 else time.perf_counter, [], 0.0
    for _ in range(runs):
        began = clock()
        found = work()
        best = max(best, len(found) / (clock() - began))
    return found, best


def memory() -> float:
    """The most memory that this process had so far, in GiB: what `resource` says includes the process it came from."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) / (1 << 20)


def matcher(threads: int) -> OpenClipMatcher:
    """CLIP with random weights, the same in every process."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network, _, transform = open_clip.create_model_and_transforms(ARCHITECTURE)
    tokenizer = open_clip.get_tokenizer(ARCHITECTURE)
    return OpenClipMatcher(network.eval(), transform, tokenizer, model="random", options=PartOptions(threads=threads))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("tables", type=Path)
    parser.add_argument("--memory-of", type=Path, metavar="CACHE", help=argparse.SUPPRESS)
    parser.add_argument("--many", type=int, default=MANY, help=f"images of the measurement of memory (default: {MANY})")
    parser.add_argument("--modes", nargs="+", choices=IMAGES, help="measure these alone, and write no file")
    parser.add_argument("--candidates", type=int, default=CHAIN["candidates"], help="of best, for both")
    args = parser.parse_args()
    CHAIN["candidates"] = args.candidates
    warnings.simplefilter("ignore")
    tables = open_tables([args.tables])
    if args.memory_of:
        fast = ours(matcher(CORES), tables, args.memory_of, "fast")
        for number in range(0, args.many, 32):
            fast.interrogate(photos(min(32, args.many - number)))
            if number in (0, args.many - 1 - (args.many - 1) % 32):
                print(f"{memory():.2f}", flush=True)
        return
    own = matcher(1)
    vectors = Vectors.of(["", *(phrase for some in tables.phrases.values() for phrase in some)])
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch)
        for phrases in tables.phrases.values():
            np.save(cache / f"{digest_of(own.id, list(phrases))}.npy", vectors(phrases))
        other = peer(own._network, own._transform, args.tables, _folder(cache / "peer"), vectors)
        lines = []
        for mode, threads in product(args.modes or [*IMAGES], sorted({1, CORES})):
            torch.set_num_threads(threads)
            with_threads = OpenClipMatcher(
                own._network, own._transform, own._tokenizer, model="random", options=PartOptions(threads=threads)
            )
            lines.append(_row(with_threads, other, tables, cache, mode, threads))
            print(lines[-1], flush=True)
        if args.modes:
            return
        again = [sys.executable, __file__, str(args.tables), "--memory-of", scratch, "--many", str(args.many)]
        used = subprocess.run(again, check=True, capture_output=True, text=True).stdout.split()
    RESULT.write_text(_page(tables, lines, used, args.many), "utf-8")


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _row(own: OpenClipMatcher, other: Any, tables: PhraseTables, cache: Path, mode: str, threads: int) -> str:
    """The row of the table for a mode on so many threads."""
    count, fewer = IMAGES[mode]
    images = photos(max(count, fewer))
    of = ours(own, tables, cache, mode)
    of.interrogate(images[:1])  # reads the embeddings
    with torch.inference_mode():
        mine, rate = timed(lambda: [x.text for x in of.interrogate(images[:count])], threads)
        runs = 1 if mode == "best" else RUNS
        theirs, its = timed(lambda: [_peer(other, mode, x) for x in images[:fewer]], threads, runs)
    same = sum(a == b for a, b in zip(mine, theirs, strict=False))
    ends = [_similarity(own, images, texts[:fewer]) for texts in (mine, theirs)]
    how = "1, processor time" if threads == 1 else f"{threads}, by the clock"
    row = f"`{mode}`", how, f"{rate:.2f}", f"{its:.3f}", f"{rate / its:.1f}", f"{same} of {fewer}"
    return f"| {' | '.join(row)} | {ends[0]:.4f} | {ends[1]:.4f} |"


def _peer(other: Any, mode: str, photo: Photo) -> str:
    image = Image.fromarray(photo.pixels)
    if mode == "best":
        return str(other.interrogate(image, CHAIN["min_phrases"], CHAIN["max_phrases"], caption=CAPTION))
    return str(getattr(other, f"interrogate_{mode}")(image, caption=CAPTION))


def _similarity(matcher: OpenClipMatcher, images: Sequence[Photo], texts: Sequence[str]) -> float:
    """The mean cosine between images and their texts."""
    return float((matcher.images(images[: len(texts)]) * matcher.texts(list(texts))).sum(1).mean())


def _page(tables: PhraseTables, lines: Sequence[str], used: Sequence[str], many: int) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in CHAIN.items())
    versions = f"{platform.machine()}, torch {torch.__version__}, open_clip {open_clip.__version__}"
    speeds = "threads", "ours, images/s", "peer, images/s", "ratio"
    heads = "mode", *speeds, "same text", "ours, image-text cosine", "peer's"
    return f"""# Interrogation beside clip-interrogator 0.6.0

`python benchmarks/interrogate.py TABLES`: {ARCHITECTURE} with random weights, {len(tables.of("flavors")):,} flavors of
{len(tables):,} phrases with random vectors in both caches, the same caption, images of 224 px. Images a second, image
encoding included: {versions}. `best` with {settings} for both.

| {" | ".join(heads)} |
|{"---|" * len(heads)}
{chr(10).join(lines)}

Memory of a process of its own, weights and libraries included, that interrogates {many:,} images in `fast`:
{used[0]} GiB after the first 32, {used[-1]} GiB at most.
"""


if __name__ == "__main__":
    main()
