"""Measures the captions and predictions of a pipeline on captioned and labelled tables, for the model card."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imagist.errors import DataError
from imagist.images import rows
from imagist.images.encoder import EMBEDDED
from imagist.images.stream import run
from imagist.metrics.captions import bleu_of_rows, bleu_rows
from imagist.metrics.cider import CiderD
from imagist.metrics.classes import correct, expected_calibration_error
from imagist.metrics.ptb import tokenize
from imagist.metrics.significance import Interval, bootstrap_interval, mean_interval, wilson_interval
from imagist.pipeline import Pipeline, load
from imagist.records import Failure, Row


def measure_bundle(
    folder: Path, captioned: Sequence[Path], labelled: Path, taxonomies: Sequence[str]
) -> dict[str, Any]:
    """Measures a bundle on dev, with its own encoder.

    Args:
        folder: The bundle.
        captioned: Tables of captions.
        labelled: A table of labels.
        taxonomies: Names of those that are measured.

    Returns:
        ``captions``: as `captions`; ``classes``: for each taxonomy, as `classes`.
    """
    figures = {name: classes(load(folder, taxonomy=name, encoder=EMBEDDED), [labelled], "dev") for name in taxonomies}
    return {"captions": captions(load(folder, encoder=EMBEDDED), captioned, "dev"), "classes": figures}


def captions(pipeline: Pipeline, tables: Iterable[Path], split: str) -> dict[str, Interval]:
    """BLEU-1..4 (0..1) and CIDEr (0..10) of a pipeline's captions, bootstrap intervals over images.

    Args:
        pipeline: Its captioner is measured.
        tables: Parquet files with the columns ``image`` and ``captions``.
        split: Only rows with this value in their ``split`` column, where they have one.
    """
    texts, references = [], []
    for row, caption in _results(pipeline, tables, split, pipeline.captioner.caption):
        texts.append(" ".join(tokenize(caption.text)))
        references.append([" ".join(tokenize(str(sentence))) for sentence in row.columns["captions"]])  # type: ignore[attr-defined]
    counted = bleu_rows(texts, references)
    figures = {f"BLEU-{n}": bootstrap_interval(lambda r, n=n: bleu_of_rows(r)[n - 1], counted) for n in (1, 2, 3, 4)}  # type: ignore[misc]
    return figures | {"CIDEr": mean_interval(CiderD(references).scores(texts))}


def classes(pipeline: Pipeline, tables: Iterable[Path], split: str) -> dict[str, Any]:
    """Accuracy of the image, text and fused predictions, and expected calibration error of the fused ones.

    Args:
        pipeline: Its predictions are measured.
        tables: Parquet files with the columns ``image`` and ``label``, a class of the pipeline's classifiers.
        split: Only rows with this value in their ``split`` column; labels outside the taxonomy are left out.

    Returns:
        ``image``, ``text``, ``fused``: `Interval` (Wilson); ``ece``: 0..1; ``photos``: how many.
    """
    targets, scores = [], []
    for row, prediction in _results(pipeline, tables, split, pipeline.predict):
        target = pipeline.taxonomy.target(str(row.columns["label"]))
        if target is None:
            continue
        targets.append(pipeline.labels.index(target))
        scores.append((prediction.image_probabilities, prediction.text_probabilities, prediction.probabilities))
    goal = np.array(targets)
    image, text, fused = (np.stack(of) for of in zip(*scores, strict=True))
    hits = {name: correct(p, goal) for name, p in (("image", image), ("text", text), ("fused", fused))}
    figures: dict[str, Any] = {name: wilson_interval(int(hit.sum()), len(goal)) for name, hit in hits.items()}
    return figures | {"ece": expected_calibration_error(fused, goal), "photos": len(goal)}


def _results(pipeline: Pipeline, tables: Iterable[Path], split: str, work: Any) -> Iterable[tuple[Row, Any]]:
    found = (row for row in rows([str(t) for t in tables]) if row.columns.get("split", split) == split)
    number = 0
    for outcomes in run(found, work, concurrency=pipeline.concurrency):
        for outcome in outcomes:
            if isinstance(outcome.result, Failure):
                raise DataError(f"an image failed: {outcome.result.error}", item=outcome.result.source)
            number += 1
            yield outcome.source, outcome.result
    if not number:
        raise DataError(f"no images of the split {split!r}", remedy="name the data folder with --data or IMAGIST_DATA")
