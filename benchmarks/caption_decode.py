"""Our beam search (ONNX Runtime, batches of 32) against a straightforward one in PyTorch over the same weights.

    python benchmarks/caption_decode.py --data FOLDER [--model RUN]...   # into benchmarks/results/caption_decode.md

The straightforward search (`plain_search`) is timed as tutorials write it at their best, the hypotheses of a photo a
batch to the decoder with what it kept of the words before, and one hypothesis at a time. Tutorials of Transformers keep
nothing and read the whole sentence anew at each step; that is a row of its own.

A bundle that multiplies bytes says other things than its weights would as floats. Those floats are then exported for
this run, and the bundle as it ships is a row of its own.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
import torch

from imagist.arrays import Array
from imagist.bundle import Bundle
from imagist.captioning.backends.stepwise import StepwiseCaptioner
from imagist.captioning.decoding import START, Decoding
from imagist.captioning.loading import with_card_lengths
from imagist.captioning.options import CaptionOptions
from imagist.captioning.vocabulary import vocabulary_of
from imagist.datasets.captions import read
from imagist.images import as_photo, square
from imagist.images.encoder import Encoder
from imagist.records import Photo
from imagist.training.captioners.vocabulary import UNKNOWN
from plain_search import Rules, grid_read_once, plain_search
from run_networks import Networks, opened

RESULT = Path(__file__).parent / "results" / "caption_decode.md"
BATCH = 32
BAR = 8  # times as many photos a second
SINGLY = 100  # photos of the slowest ways
OURS, SHIPPED = "our search", "our search, the bundle as it ships"
PLAIN, ONE_BY_ONE = "straightforward search", "straightforward search, a hypothesis at a time"
ANEW = "straightforward search without a cache"
OURS_WHOLE, PLAIN_WHOLE = "our encoder and search", "PyTorch encoder and straightforward search"

T = TypeVar("T")
Captions = list[tuple[str, ...]]


def rules_of(captioner: StepwiseCaptioner, bundle: Bundle, search: Decoding) -> Rules:
    """What the search of a captioner keeps to."""
    starts = bundle.part("captioner").card.get("languages", {"en": START}).values()
    suppressed = tuple({*starts, UNKNOWN})
    return Rules(captioner.start, captioner.end, suppressed, search.beam, search.max_length, search.length_penalty)


@dataclass(frozen=True)
class Timed:
    """Photos a second by the clock, and processor seconds a photo: other work on the machine slows only the first."""

    rate: float
    cpu: float


def timed(work: Callable[[], object], photos: int) -> Timed:
    """One run of work over so many photos."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timed(photos / (time.perf_counter() - wall), (time.process_time() - cpu) / photos)


def best_of(turns: Sequence[Mapping[str, Timed]]) -> dict[str, Timed]:
    """The best of each piece of work over turns in which each has one."""
    return {k: Timed(max(t[k].rate for t in turns), min(t[k].cpu for t in turns)) for k in turns[0]}


class Contest:
    """Both searches over the same photos.

    Args:
        networks: The model.
        photos: N images.
        beam: B.
        cores: Batches at a time of ours, and most threads within an operator of PyTorch's.
    """

    def __init__(self, networks: Networks, photos: Sequence[Photo], beam: int, cores: int) -> None:
        self.networks, self.cores = networks, cores
        self.threads = {False: 1, True: 1}  # of PyTorch, from grids and from images
        self.search = with_card_lengths(networks.bundle.part("captioner"), Decoding(beam))
        self.captioner = self._captioner(networks.bundle)
        self.shipped = networks.shipped and self._captioner(networks.shipped)
        part = networks.bundle.part("captioner")
        self.vocabulary = vocabulary_of(part.lines("vocabulary.txt"), part.card.get("tokens", "words"))
        self.rules = rules_of(self.captioner, networks.bundle, self.search)
        self.pixels = [photo.pixels for photo in photos]
        side = Encoder(networks.bundle.encoder).side
        self.squares = torch.from_numpy(np.concatenate([square(pixels, side) for pixels in self.pixels]))
        self.grids: Array = np.concatenate(
            [*self._concurrently(Encoder(networks.bundle.encoder).encode, self.squares.numpy())]
        )

    def work(self) -> dict[str, tuple[Callable[[], Captions], int]]:
        """Each piece of work, which gives sentences, and how many photos it takes."""
        singly = min(SINGLY, len(self.pixels))
        found = {
            OURS: (lambda: self.ours(self.captioner), len(self.pixels)),
            PLAIN: (lambda: self.plain(len(self.pixels)), len(self.pixels)),
            ONE_BY_ONE: (lambda: self.plain(singly, together=False), singly),
            OURS_WHOLE: (self.ours_whole, len(self.pixels)),
            PLAIN_WHOLE: (lambda: self.plain(singly, encode=True), singly),
        }
        if self.networks.decoder.growing:
            found[ANEW] = (lambda: self.plain(singly, cached=False), singly)
        if shipped := self.shipped:
            found[SHIPPED] = (lambda: self.ours(shipped), len(self.pixels))
        return found

    def ours(self, captioner: StepwiseCaptioner) -> Captions:
        """From grids."""
        batches = self._concurrently(captioner.sentences, self.grids)
        return [self.vocabulary.tokens(best.words) for found in batches for best, *_ in found]

    def ours_whole(self) -> Captions:
        """From images."""
        photos = [Photo(pixels) for pixels in self.pixels]  # new ones, of which nothing is remembered
        return [c.tokens for found in self._concurrently(self.captioner.caption, photos) for c in found]

    def plain(self, photos: int, *, together: bool = True, cached: bool = True, encode: bool = False) -> Captions:
        """The first so many photos, from grids or, to ``encode``, from images; a photo's cells are read once."""
        torch.set_num_threads(self.threads[encode])
        rules = replace(self.rules, together=together, cached=cached)
        found = []
        for i in range(photos):
            grid = torch.from_numpy(self.grids[i : i + 1])
            if encode:
                with torch.no_grad():
                    grid = self.networks.encoder(self.squares[i : i + 1])
            with nullcontext() if cached else grid_read_once(self.networks.decoder):
                found.append(self.vocabulary.tokens(plain_search(self.networks.decoder, grid, rules)))
        return found

    def choose_threads(self) -> None:
        """Finds out with how many threads PyTorch is fastest at either: often one at work as small as a search."""
        photos = min(SINGLY, len(self.pixels))
        for encode in self.threads:
            rates = {}
            for threads in (1, self.cores) * 2:
                self.threads[encode] = threads
                rate = timed(lambda e=encode: self.plain(photos, encode=e), photos).rate  # type: ignore[misc]
                rates[threads] = max(rate, rates.get(threads, 0.0))
            self.threads[encode] = max(rates, key=rates.__getitem__)

    def _captioner(self, bundle: Bundle) -> StepwiseCaptioner:
        return StepwiseCaptioner(bundle.part("captioner"), CaptionOptions(self.search), Encoder(bundle.encoder))

    def _concurrently(self, work: Callable[..., T], items: Sequence[Photo] | Array) -> Iterator[T]:
        """Batches at a time on single-threaded sessions, as the pipeline runs them."""
        with ThreadPoolExecutor(self.cores) as pool:
            yield from pool.map(work, [items[i : i + BATCH] for i in range(0, len(items), BATCH)])


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one model.

    Attributes:
        bundle: As it ships.
        threads: That suit PyTorch best, from grids and from images.
        found: How fast each piece of work is.
        captions: Of each.
    """

    bundle: Bundle
    threads: tuple[int, int]
    found: Mapping[str, Timed]
    captions: Mapping[str, Captions]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    parser.add_argument(
        "--model", action="append", help="a shipped model, or a run of `imagist train caption`; may be repeated"
    )
    parser.add_argument("--photos", type=int, default=1000, help="of Flickr8k dev")
    parser.add_argument("--beam", type=int, default=3)
    parser.add_argument("--turns", type=int, default=3, help="the best of so many is reported")
    parser.add_argument("--print", action="store_true", help="print only, write no result")
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the data folder with --data or IMAGIST_DATA")
    args.model = args.model or ["embedded"]
    records = read(args.data / "flickr8k" / "dev.parquet")[: args.photos]
    photos = [as_photo(r.content or r.image) for r in records]
    text = report(args, len(photos), [measured(model, args, photos) for model in args.model])
    print(text)
    if not args.print:
        RESULT.write_text(text, "utf-8")


def measured(model: str, args: argparse.Namespace, photos: Sequence[Photo]) -> Outcome:
    """Both searches of one model over the same photos."""
    with tempfile.TemporaryDirectory() as scratch:
        networks = opened(model, args.data, Path(scratch))
        contest = Contest(networks, photos, args.beam, cores())
        contest.choose_threads()
        work = contest.work()
        captions = {name: piece() for name, (piece, _) in work.items()}  # also warms up
        found = best_of([{name: timed(*piece) for name, piece in work.items()} for _ in range(args.turns)])
    threads = contest.threads[False], contest.threads[True]
    return Outcome(networks.shipped or networks.bundle, threads, found, captions)


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def report(args: argparse.Namespace, photos: int, outcomes: Sequence[Outcome]) -> str:
    models = " ".join(f"--model {model}" for model in args.model)
    lines = [
        "# Speed of beam search",
        "",
        f"`python benchmarks/caption_decode.py {models}`: {photos:,} photos of Flickr8k dev, beam {args.beam},"
        f" batches of {BATCH}, {cores()} cores, {platform.machine()}, onnxruntime {onnxruntime.__version__},"
        f" torch {torch.__version__} on as many threads as suit it best; best of {args.turns} turns.",
        "",
        "How many times as many photos a second our search does, from grids, as the straightforward one that keeps what"
        " it has of the words before, as the one that reads the whole sentence anew at each step (a recurrent network"
        f" keeps its state by its nature), and as the one with one hypothesis at a time. The bar: {BAR}x.",
        "",
        "| model | our photos/s | to straightforward | without a cache | a hypothesis at a time | same captions |",
        "|---|---:|---:|---:|---:|---:|",
        *map(summary, outcomes),
        "",
        "Ratios and captions are ours against the row's. Processor time leaves out what other programs took. Without a"
        " cache the keys and values of a photo's cells are still made only once.",
    ]
    for outcome in outcomes:
        lines += ["", *details(outcome)]
    return "\n".join([*lines, ""])


def summary(outcome: Outcome) -> str:
    """A row of the table of models."""
    ours = outcome.found[OURS].rate
    rows = [name for name in (PLAIN, ANEW, ONE_BY_ONE) if name in outcome.found]
    ratios = [f"{ours / outcome.found[name].rate:.1f}" if name in rows else "" for name in (PLAIN, ANEW, ONE_BY_ONE)]
    equal = min(same(outcome.captions[OURS], outcome.captions[name]) for name in rows)
    return f"| {outcome.bundle.name} | {ours:.1f} | {' | '.join(ratios)} | {equal:.2%} |"


def details(outcome: Outcome) -> list[str]:
    """All of one model."""
    bundle, found, captions = outcome.bundle, outcome.found, outcome.captions
    lines = [
        f"## {bundle.name}",
        "",
        f"`{bundle.name}` {bundle.version} ({bundle.part('captioner').kind}); PyTorch on {outcome.threads[0]}"
        f" threads from grids, on {outcome.threads[1]} from images.",
        "",
        "| from grids | photos/s | ratio | processor ms a photo | ratio | same captions |",
        "|---|---:|---:|---:|---:|---:|",
        *(row(name, OURS, found, captions) for name in (OURS, SHIPPED, PLAIN, ANEW, ONE_BY_ONE) if name in found),
        "",
        "| from decoded images, encoder and all | photos/s | ratio | processor ms a photo | ratio | same captions |",
        "|---|---:|---:|---:|---:|---:|",
        row(OURS_WHOLE, OURS_WHOLE, found, captions),
        row(PLAIN_WHOLE, OURS_WHOLE, found, captions),
    ]
    if SHIPPED in found:
        lines += ["", "The bundle multiplies bytes as it ships; the other rows are of its weights as floats."]
    return lines


def row(name: str, ours: str, found: Mapping[str, Timed], captions: Mapping[str, Captions]) -> str:
    mine, its = found[ours], found[name]
    return (
        f"| {name} | {its.rate:.1f} | {mine.rate / its.rate:.1f} | {1000 * its.cpu:.2f} | {its.cpu / mine.cpu:.1f} |"
        f" {same(captions[ours], captions[name]):.2%} |"
    )


def same(ours: Captions, other: Captions) -> float:
    """The share of equal sentences among those that both have."""
    pairs = list(zip(ours, other, strict=False))
    return sum(a == b for a, b in pairs) / len(pairs)


if __name__ == "__main__":
    main()
