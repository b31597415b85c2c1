"""The table of trained captioners, quality and speed, and the plot of one against the other.

    python benchmarks/captioners.py --data FOLDER [RUN ...]      # into benchmarks/results/captioners.{md,png,svg}
    python benchmarks/captioners.py --captions test.parquet --split test --print RUN ...

A run is a folder that `imagist train caption` left; by default all under runs/. Its bundle captions the photos by the
search of its recipe. METEOR needs Java; without it the column is empty.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnxruntime

from imagist.bundle import open_bundle
from imagist.captioning.decoding import Decoding
from imagist.captioning.loading import open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.datasets.captions import Record, read
from imagist.errors import MissingExtra
from imagist.images import as_photo
from imagist.metrics.evaluation import NAMES, CaptionEvaluation
from imagist.metrics.meteor import meteor_of_totals, meteor_rows
from imagist.metrics.ptb import tokenize
from imagist.metrics.significance import Interval, bootstrap_interval, wilson_interval
from imagist.records import Photo
from imagist.training.export.restore import weights
from pareto import Point, draw
from run_records import gain, languages, training_minutes

RESULT = Path(__file__).parent / "results" / "captioners.md"
RUNS = Path("runs")
BATCH = 32
REPEATS = 3
FIGURES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "meteor", "rouge_l", "cider")

ARTICLES = frozenset({"a", "an", "the"})
_NAMED = """
about across after against amid among as at before beneath beside besides between beyond despite during for from in into
like near of on onto since through throughout to toward towards under until upon via with within without
"""
PREPOSITIONS = frozenset(_NAMED.split())
"""Those that people do not end captions with; they do with adverbs of the same form, as in "looking up"."""


@dataclass(frozen=True)
class Row:
    """What was measured of one run.

    Attributes:
        name: Of its folder, and of the search where that is not its recipe's.
        kind: Of captioner, with the preset.
        figures: 0 to 1, CIDEr 0 to 10, by the names of `FIGURES`; METEOR may be missing.
        dangling: Share of captions that end in an article or a preposition.
        rate: Images a second.
        weights: Of encoder and decoder.
        minutes: Of training, by phase.
        gain: CIDEr x 100 on dev before and after self-critical training, if there was any.
        languages: CIDEr on dev by language, if there are several.
    """

    name: str
    kind: str
    figures: Mapping[str, Interval]
    dangling: Interval
    rate: float
    weights: tuple[int, int]
    minutes: Mapping[str, float]
    gain: tuple[float, float] | None
    languages: Mapping[str, Mapping[str, float]]


def measure(run: Path, photos: Sequence[Photo], references: Sequence[Sequence[str]], cores: int) -> list[Row]:
    """Captions the photos by the bundle of a run and scores what it says; also by a plain search if its own is none."""
    measured = json.loads((run / "measured.json").read_text("utf-8"))
    recipe, bundle = measured["recipe"], open_bundle(run / "bundle")
    encoder = sum(weight.numel() for weight in weights(bundle.encoder, "encoder.onnx").values())
    kind = " ".join(filter(None, (recipe["decoder"]["kind"], recipe["decoder"].get("preset"))))
    minutes, rows = training_minutes(run, measured), list[Row]()
    for name, search in searches(run.name, Decoding(**recipe["search"])):
        texts, rate = captioned(bundle.path, search, photos, cores)
        ends = sum(is_dangling(text) for text in texts)
        rows.append(Row(
            name, kind, scores(texts, references), wilson_interval(ends, len(texts)), rate,
            (encoder, measured["parameters"]["decoder"]), minutes,
            None if rows else gain(run), {} if rows else languages(measured),
        ))  # fmt: skip
    return rows


def searches(run: str, own: Decoding) -> list[tuple[str, Decoding]]:
    """A run's own search; and beside it a plain one where its own is a consensus."""
    plain = replace(own, beam=Decoding.beam, mbr=False)
    return [(run, own)] + ([(f"{run}, plain search", plain)] if own.mbr else [])


def captioned(bundle: Path, search: Decoding, photos: Sequence[Photo], cores: int) -> tuple[list[str], float]:
    """A caption for each photo, and images a second: batches on every core, the fastest of a few runs."""
    captioner = open_captioner(bundle, CaptionOptions(search))
    rates, texts = [], []
    for _ in range(REPEATS):
        fresh = [Photo(photo.pixels, photo.source) for photo in photos]  # of which no grid is remembered
        began = time.perf_counter()
        with ThreadPoolExecutor(cores) as pool:
            found = pool.map(captioner.caption, [fresh[i : i + BATCH] for i in range(0, len(fresh), BATCH)])
            texts = [caption.text for captions in found for caption in captions]
        rates.append(len(photos) / (time.perf_counter() - began))
    return texts, max(rates)


def scores(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Interval]:
    """The figures of captions with bootstrap intervals; without METEOR where there is no Java."""
    measured = CaptionEvaluation(references, java=False).measure(texts).figures
    found = {name: measured[name] for name in FIGURES if name in measured}
    try:
        rows = meteor_rows(tokens(texts), [tokens(of) for of in references])
    except MissingExtra as error:
        print(error)
    else:
        found["meteor"] = bootstrap_interval(lambda drawn: float(meteor_of_totals(drawn.sum(axis=0))), rows)
    return found


def tokens(sentences: Sequence[str]) -> list[str]:
    return [" ".join(tokenize(sentence)) for sentence in sentences]


def is_dangling(caption: str) -> bool:
    """Whether a caption ends in an article or a preposition."""
    words = caption.split()
    return bool(words) and words[-1] in ARTICLES | PREPOSITIONS


def trained(folder: Path) -> list[Path]:
    """The runs of ``imagist train caption`` in a folder; the shipped model's, which has no such recipe, is none."""
    found = sorted(folder.glob("*/measured.json"))
    return [path.parent for path in found if "recipe" in json.loads(path.read_text("utf-8"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*", metavar="RUN", help="by default every trained run under runs/")
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    parser.add_argument("--captions", type=Path, help="captioned photos; flickr8k/dev.parquet of the data by default")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--print", action="store_true", help="write no result, and the plot elsewhere")
    args = parser.parse_args()
    if args.data is None and args.captions is None:
        parser.error("name the images with --data, IMAGIST_DATA or --captions")
    runs = args.runs or trained(RUNS)
    if not runs:
        parser.error("there is no trained run; see `imagist train caption`")
    records = read(args.captions or args.data / "flickr8k" / "dev.parquet", split=args.split)
    photos = [as_photo(r.content or r.image) for r in records]
    cores = len(os.sched_getaffinity(0))
    rows = [row for run in runs for row in measure(run, photos, [r.captions for r in records], cores)]
    rows.sort(key=lambda row: -row.figures["cider"].value)
    folder = Path(tempfile.mkdtemp()) if args.print else RESULT.parent
    plots = [folder / f"captioners{suffix}" for suffix in (".png", ".svg")]
    draw([point(row) for row in rows], plots, of=args.split)
    text = report(rows, args.split, records, cores)
    print(text)
    if args.print:
        print(f"plot: {plots[0]}")
    else:
        RESULT.write_text(text, "utf-8")


def point(row: Row) -> Point:
    cider = row.figures["cider"]
    return Point(row.name, row.rate, 100 * cider.value, 100 * cider.low, 100 * cider.high)


def report(rows: Sequence[Row], split: str, records: Sequence[Record], cores: int) -> str:
    heads = [
        "run", "captioner", *(NAMES[name] for name in FIGURES), "dangling, %", "million weights", "images/s", "minutes",
    ]  # fmt: skip
    lines = [
        f"# Trained captioners on {split}",
        "",
        f"`python benchmarks/captioners.py`: {len(records):,} photos, x 100, with 95% intervals (bootstrap over photos,"
        " Wilson); each by the search of its recipe, a plain search with 3 hypotheses. *Dangling* captions end in an"
        " article or a preposition. Weights: encoder + decoder, with its concepts. Images/s: bundle, from decoded"
        " images, batches of"
        f" {BATCH}, {cores} cores, {platform.machine()}, onnxruntime {onnxruntime.__version__}, best of {REPEATS} runs."
        " Minutes of training: cross-entropy + self-critical + concepts, features cached, all sessions.",
        "",
        *table(heads, [cells(row) for row in rows]),
        "",
        "![CIDEr against images/s; the line joins the runs that no other beats in both](captioners.png)",
        "",
    ]
    if gained := [(row, row.gain) for row in rows if row.gain]:
        gains = [[r.name, f"{a:.1f}", f"{b:.1f}", f"{100 * (b / a - 1):+.1f}%"] for r, (a, b) in gained]
        lines += [
            "Self-critical training, CIDEr on dev by a plain search:",
            "",
            *table(["run", "before", "after", "gain"], gains),
            "",
        ]
    for row in (row for row in rows if row.languages):
        main, *others = row.languages
        heads = ["language", "CIDEr", f"of {main}'s"]
        compared = [[code, spread(row.languages[code]), share(row.languages, code)] for code in (main, *others)]
        lines += [f"`{row.name}` by one reference a photo, dev:", "", *table(heads, compared), ""]
    return "\n".join(lines)


def cells(row: Row) -> list[str]:
    minutes = " + ".join(
        f"{row.minutes[phase]:.0f}" for phase in ("cross_entropy", "self_critical", "concepts") if phase in row.minutes
    )
    figures = [spread(vars(row.figures[name])) if name in row.figures else "" for name in FIGURES]
    sizes = " + ".join(f"{number / 1e6:.1f}" for number in row.weights)
    return [row.name, row.kind, *figures, spread(vars(row.dangling)), sizes, f"{row.rate:.0f}", minutes]


def spread(interval: Mapping[str, Any]) -> str:
    """A figure x 100 with its bounds."""
    return f"{100 * interval['value']:.1f} [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]"


def share(languages: Mapping[str, Mapping[str, float]], code: str) -> str:
    """What part of the main language's figure another's is."""
    whole = next(iter(languages.values()))["value"]
    return f"{languages[code]['value'] / whole:.0%}" if whole else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(heads)} |", f"|---{'|---:' * (len(heads) - 1)}|", *(f"| {' | '.join(r)} |" for r in rows)]


if __name__ == "__main__":
    main()
