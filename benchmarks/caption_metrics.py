"""Speed of BLEU, ROUGE-L and CIDEr against pycocoevalcap's on the same captions, in one run.

    python benchmarks/caption_metrics.py --data FOLDER       # into benchmarks/results/caption_metrics.md

Hypotheses are people's: the first sentence of each image of Flickr8k train, measured against the other four.
pycocoevalcap runs as it comes: its tokeniser in Java, its scorers in Python. All is measured in turns, several times.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from imagist.metrics.captions import bleu, cider, rouge_l, token_scores
from imagist.metrics.evaluation import CaptionEvaluation
from imagist.metrics.ptb import _cut_chunk, tokenize

RESULT = Path(__file__).parent / "results" / "caption_metrics.md"
CAPTIONS = 5000
REPEATS = 3

Items = list[list[str]]


def tokens(items: Items) -> Items:
    _cut_chunk.cache_clear()  # as at the first call: no word was met before
    return [[" ".join(tokenize(sentence)) for sentence in item] for item in items]


def their_tokens(items: Items) -> Items:
    cut = PTBTokenizer().tokenize({n: [{"caption": c} for c in item] for n, item in enumerate(items)})
    return list(cut.values())


def theirs(scorer: Any, texts: list[str], references: Items) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return scorer.compute_score(dict(enumerate(references)), {n: [h] for n, h in enumerate(texts)})[0]


def all_theirs(texts: list[str], references: Items) -> dict[str, float]:
    corpus = theirs(Bleu(), texts, references)
    scores = {f"bleu_{n}": value for n, value in enumerate(corpus, start=1)}
    return scores | {"rouge_l": theirs(Rouge(), texts, references), "cider": theirs(Cider(), texts, references)}


def seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds, those of child processes with them."""
    wall, cpu = time.perf_counter(), os.times()
    work()
    after = os.times()
    return time.perf_counter() - wall, sum(after[:4]) - sum(cpu[:4])


def measure(work: dict[str, Callable[[], Any]]) -> dict[str, tuple[float, float]]:
    """The least wall and the least processor seconds of each piece of work, over turns in which each has one."""
    turns = [{name: seconds(piece) for name, piece in work.items()} for _ in range(REPEATS)]
    return {name: (min(t[name][0] for t in turns), min(t[name][1] for t in turns)) for name in work}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    parser.add_argument("--print", action="store_true", help="print only, write no result")
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the data folder with --data or IMAGIST_DATA")
    tables = sorted((args.data / "flickr8k").glob("train-*.parquet"))
    captions = [c for t in tables for c in pq.read_table(t, columns=["captions"])["captions"].to_pylist()][:CAPTIONS]
    hypotheses, references = [of[:1] for of in captions], [of[1:] for of in captions]
    texts, truth = [h for (h,) in tokens(hypotheses)], tokens(references)
    pairs = {
        "tokenisation": (
            lambda: (tokens(hypotheses), tokens(references)),
            lambda: (their_tokens(hypotheses), their_tokens(references)),
        ),
        "BLEU-1..4": (lambda: bleu(texts, truth), lambda: theirs(Bleu(), texts, truth)),
        "ROUGE-L": (lambda: rouge_l(texts, truth), lambda: theirs(Rouge(), texts, truth)),
        "CIDEr": (lambda: cider(texts, truth), lambda: theirs(Cider(), texts, truth)),
        "BLEU + ROUGE-L + CIDEr, of tokens": (lambda: token_scores(texts, truth), lambda: all_theirs(texts, truth)),
    }
    work = {
        f"{side} {name}": piece
        for name, two in pairs.items()
        for side, piece in zip(("our", "their"), two, strict=True)
    }
    evaluation = CaptionEvaluation([of[1:] for of in captions], java=False)
    work["intervals"] = lambda: evaluation.measure([of[0] for of in captions])
    found = measure(work)
    ours, other = token_scores(texts, truth), all_theirs(texts, truth)
    apart = max(abs(ours[key] - other[key]) for key in other)
    unlike = np.mean([a != b for a, b in zip(truth, their_tokens(references), strict=True)])
    text = report(found, list(pairs), len(captions), apart, float(unlike))
    print(text)
    if not args.print:
        RESULT.write_text(text, "utf-8")


def report(found: dict[str, tuple[float, float]], names: list[str], captions: int, apart: float, unlike: float) -> str:
    whole = "BLEU + ROUGE-L + CIDEr, from sentences"
    for side in ("our", "their"):
        parts = [found[f"{side} {name}"] for name in (names[0], names[-1])]
        found[f"{side} {whole}"] = parts[0][0] + parts[1][0], parts[0][1] + parts[1][1]
    lines = [
        "# Speed of the caption metrics",
        "",
        f"`python benchmarks/caption_metrics.py`: {captions:,} captions with four references each,"
        f" {platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}; least of {REPEATS} turns."
        " Processor seconds count Java's, and leave out what other programs took of the machine.",
        "",
        "| what | imagist, processor s | pycocoevalcap | ratio | imagist, wall s | pycocoevalcap | ratio |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in [*names, whole]:
        (wall, cpu), (their_wall, their_cpu) = found[f"our {name}"], found[f"their {name}"]
        lines.append(
            f"| {name} | {cpu:.3f} | {their_cpu:.3f} | {their_cpu / cpu:.1f} |"
            f" {wall:.3f} | {their_wall:.3f} | {their_wall / wall:.1f} |"
        )
    wall, cpu = found["intervals"]
    return "\n".join(
        [
            *lines,
            "",
            f"Greatest difference of a figure: {apart:.1e}; items whose tokens differ: {100 * unlike:.2f}%.",
            "",
            f"All figures of `imagist evaluate captions --no-java` with 1,000 resamples for the intervals: {cpu:.2f}"
            f" processor s, {wall:.2f} s, of which pycocoevalcap has no like.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
