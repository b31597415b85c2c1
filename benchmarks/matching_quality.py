"""Quality of a model's matcher: categories by name alone, a few images of each, retrieval, none of these.

python benchmarks/matching_quality.py --data FOLDER        # into benchmarks/results/matching_quality.md

No image of photos15 and of Caltech, and no sentence about one, was in the training of the shipped matcher. Its encoder
has seen both without labels. Only the image is asked, not its caption, which comes from a captioner that knows the
labels of photos15. Intervals are of 95% (Wilson). None of these is measured with the names of photos15: its dev images
are to be kept, all of more (Caltech, scenes of ADE20K, garments) to be rejected. Of these, garments are of "fashion",
many scenes are kitchens, streets with cars or have persons, and some kinds of Caltech are cars, dogs, birds or flowers:
no matcher that knows them rejects them. The second area leaves out scenes, garments and such kinds.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from imagist.arrays import Array
from imagist.bundle import open_bundle
from imagist.classifiers.image.linear import pooled
from imagist.classifiers.matched import MatchedImages, zero_shot
from imagist.images.decode import decode
from imagist.images.encoder import Encoders
from imagist.matching.opening import Matchers, open_matcher
from imagist.matching.prompts import read_labels
from imagist.matching.zero_shot import Layer
from imagist.metrics.significance import wilson_interval
from imagist.protocols import Matcher, PartOptions
from imagist.training.classifiers.few_shot import fit_few_shot, with_features
from imagist.training.fit.classifiers import IMAGE_CAUTION

RESULT = Path(__file__).parent / "results" / "matching_quality.md"
BATCH, DRAWS = 32, 3
SHOTS = (1, 3, 10)  # images of each class
TOLD = ", ".join(map(str, SHOTS))
RANK = 10  # of retrieval
OF_A_CATEGORY = (
    *("car side", "cougar body", "cougar face", "dalmatian", "flamingo head", "garfield", "leopards", "lotus"),
    *("motorbikes", "pizza", "sunflower", "water lilly", "wheelchair", "wild cat"),
)  # labels of Caltech that are, or nearly are, of a category of photos15


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=os.environ.get("IMAGIST_DATA"))
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--encoder", action="append", help="embedded or lite; by default both")
    parser.add_argument("--print", action="store_true", help="print only, write no result")
    args = parser.parse_args()
    if args.data is None:
        parser.error("name the images with --data or IMAGIST_DATA")
    text = [
        f"# Matcher of `{open_bundle(args.model).name}`",
        "",
        *(__doc__ or "").strip().splitlines()[4:],
        "",
        f"`python benchmarks/matching_quality.py`. Images a class: of photos15 train, mean of {DRAWS} draws.",
        "",
        f"| encoder | photos15 by name | Caltech, 90 classes, by name | text to image, recall@{RANK} | "
        f"ROC area of none of these | without what is of a category | photos15, {TOLD} a class | "
        "photos15 dev called none of these | more, without what is of a category |",
        "|---|---|---|---|---|---|---|---|---|",
        *(row(args.data, args.model, encoder) for encoder in args.encoder or ("embedded", "lite")),
        "",
    ]
    result = "\n".join(text)
    print(result)
    if not args.print:
        RESULT.write_text(result, "utf-8")


def row(data: Path, model: str, encoder: str) -> str:
    """Measures with one encoder."""
    options = PartOptions(encoder=encoder, encoders=Encoders(), matchers=Matchers(), threads=os.cpu_count() or 1)
    matcher = open_matcher(model, options)
    photos = pq.read_table(data / "photos15.parquet", columns=["image", "label", "split"])
    labels, dev = np.array(photos["label"].to_pylist()), np.array(photos["split"].to_pylist()) == "dev"
    own = embeddings(matcher, photos["image"].to_pylist())
    names = sorted({*labels})
    classifier = named(matcher, names)
    targets = np.array([names.index(label) for label in labels])
    scores = classifier.layer.logits(own)
    kept, scores = margins(scores, len(names)), scores[:, : len(names)]
    plain = Layer(
        read_labels(names).labels, classifier.layer.weights[: len(names)], classifier.layer.bias[: len(names)]
    )
    start, rows = with_features(plain, own, features(matcher, photos["image"].to_pylist()))

    more = pq.read_table(data / "more.parquet", columns=["image", "label", "source"])
    caltech = np.array(more["source"].to_pylist()) == "caltech101"
    others = embeddings(matcher, more["image"].to_pylist())
    things = np.array([label or "" for label in more["label"].to_pylist()])[caltech]
    kinds = sorted({*things})
    by_name = named(matcher, kinds)
    guessed = by_name.layer.logits(others[caltech])[:, : len(kinds)].argmax(1)

    outside = margins(classifier.layer.logits(others), len(names))
    apart = caltech & ~np.isin([label or "" for label in more["label"].to_pylist()], OF_A_CATEGORY)
    cells = [
        share(scores[dev].argmax(1) == targets[dev]),
        share(np.array(kinds)[guessed] == things),
        share(retrieved(matcher, data / "flickr8k" / "dev.parquet")),
        f"{area(kept[dev], outside):.3f}",
        f"{area(kept[dev], outside[apart]):.3f}",
        ", ".join(
            f"{np.mean([few(start, rows, targets, ~dev, dev, shots, seed) for seed in range(DRAWS)]):.3f}"
            for shots in SHOTS
        ),
        f"{(kept[dev] < 0).mean():.3f}",
        f"{(outside < 0).mean():.3f}, {(outside[apart] < 0).mean():.3f}",
    ]
    return f"| `{encoder}` | {' | '.join(cells)} |"


def margins(logits: Any, categories: int) -> Any:
    """How far the best of the categories lies above none of these: ``[N]`` of logits ``[N, C]``."""
    return logits[:, :categories].max(1) - (logits[:, -1] if logits.shape[1] > categories else 0)


def named(matcher: Matcher, names: Iterable[str]) -> MatchedImages:
    return zero_shot(matcher, read_labels(list(names)))[1]


def embeddings(matcher: Matcher, images: list[dict[str, Any]]) -> Array:
    """float32 ``[N, D]`` of images as Parquet has them."""
    starts = range(0, len(images), BATCH)
    return np.concatenate(
        [matcher.images([decode(each["bytes"]) for each in images[start : start + BATCH]]) for start in starts]
    )


def features(matcher: Any, images: list[dict[str, Any]]) -> Array:
    """float32 ``[N, E]``, the encoder's."""
    starts = range(0, len(images), BATCH)
    return np.concatenate(
        [
            pooled(matcher.encoder, [decode(each["bytes"]) for each in images[start : start + BATCH]], normalised=True)
            for start in starts
        ]
    )


def few(start: Layer, rows: Array, targets: Any, train: Any, dev: Any, shots: int, seed: int) -> float:
    """Accuracy on dev after a few images of each class."""
    rng = np.random.default_rng(seed)
    classes = np.unique(targets)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(train & (targets == c)))[:shots] for c in classes])
    layer = fit_few_shot(start, rows[chosen], targets[chosen], caution=IMAGE_CAUTION, seed=seed).layer
    scores = rows[dev] @ layer.weights.T + layer.bias
    return float((scores[:, : len(classes)].argmax(1) == targets[dev]).mean())


def retrieved(matcher: Matcher, path: Path) -> Any:
    """Whether each of the sentences finds its image among the first ten."""
    table = pq.read_table(path, columns=["image", "captions"])
    sentences = [text for texts in table["captions"].to_pylist() for text in texts]
    own = np.repeat(np.arange(len(table)), [len(texts) for texts in table["captions"].to_pylist()])
    cosines = matcher.texts(sentences) @ embeddings(matcher, table["image"].to_pylist()).T
    return (cosines > cosines[np.arange(len(own)), own][:, None]).sum(1) < RANK


def area(inside: Any, outside: Any) -> float:
    """Area under the ROC curve: how often an image inside has the greater score."""
    ranks = np.concatenate([inside, outside]).argsort().argsort()[: len(inside)]
    return float((ranks.sum() - len(inside) * (len(inside) - 1) / 2) / (len(inside) * len(outside)))


def share(right: Any) -> str:
    found = wilson_interval(int(right.sum()), len(right))
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


if __name__ == "__main__":
    main()
