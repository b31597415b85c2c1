"""A study's results for programs, as Parquet files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imagist.storage import atomic_write
from imagist.study.results import test_rows
from imagist.study.run import StudyResult


def write_results(result: StudyResult, folder: Path) -> None:
    """Writes ``results.parquet``, a row per system, number of labels and trial; ``predictions.parquet``, per image.

    Raises:
        OutputError: The folder cannot be written to.
    """
    _write(_metrics(result), folder / "results.parquet")
    _write(_predictions(result), folder / "predictions.parquet")


def _metrics(result: StudyResult) -> pa.Table:
    points = [(each.shots, each.systems) for each in result.curve] or [(result.study.folds.shots, result.systems)]
    rows = [
        {
            "system": each.system.name, "kind": each.system.kind, "captioner": each.system.captioner,
            "text_classifier": each.system.text, "image_classifier": each.system.image, "fusion": each.system.fusion,
            "shots": shots, "seed": trial.seed, "fold": trial.number, "test_images": len(trial.fold.test),
            **asdict(metrics),
        }
        for shots, systems in points
        for each in systems
        for trial, metrics in zip(result.trials, each.metrics, strict=True)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows)
    place = table.column_names.index("text_weight")
    return table.set_column(place, "text_weight", table["text_weight"].cast(pa.float64()))  # else null without weights


def _predictions(result: StudyResult) -> pa.Table:
    examples = [result.data.examples[i] for i in test_rows(result.trials)]
    names = result.data.labels.names
    return pa.concat_tables(
        pa.table({
            "system": [each.system.name] * len(examples),
            "image": [example.image for example in examples],
            "label": [example.label for example in examples],
            "prediction": [names[i] for i in each.probabilities.argmax(axis=1)],
            "probability": each.probabilities.max(axis=1),
            "correct": each.correct.mean(axis=0).astype(np.float32),
        })
        for each in result.systems
    )  # fmt: skip


def _write(table: pa.Table, path: Path) -> None:
    with atomic_write(path) as scratch:
        pq.write_table(table, scratch)
