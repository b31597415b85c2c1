"""The results of a fit: lines for a terminal, a page and a model card in the model's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from imagist.bundle import MODEL_CARD
from imagist.classifiers.fusion import ScoreFusion
from imagist.report.formatting import text_weight, with_interval
from imagist.report.shell import render_page
from imagist.report.tables import Table
from imagist.storage import write_text
from imagist.training.fit.fitting import FitResult
from imagist.training.fit.measuring import FEW

REPORT = "report.html"
NAMES = {"image": "image classifier", "text": "text classifier", "fused": "fused"}
LISTED = 10  # failures named


def write_fit_report(result: FitResult, folder: Path) -> None:
    """Writes ``report.html`` and ``MODEL_CARD.md`` into the folder of the model.

    Raises:
        OutputError: The folder cannot be written to.
    """
    tables = accuracy_table(result), classes_table(result)
    page = render_page(
        "fit.html", title=folder.name, maker="imagist fit", notes=list(notes(result)), accuracy=tables[0],
        classes=tables[1], failures=[str(error) for error in result.examples.failed.values()],
    )  # fmt: skip
    write_text(folder / REPORT, page)
    parts = [f"# {folder.name}", "", *(f"{note}  " for note in notes(result)), "", *(t.markdown() for t in tables)]
    write_text(folder / MODEL_CARD, "\n".join(parts))


def fit_lines(result: FitResult, folder: Path) -> Iterator[str]:
    """What is printed at the end: accuracies with intervals, failures, and how the model is used."""
    yield from notes(result)
    for name, interval in result.measured.accuracy.items():
        yield f"{NAMES[name]}: {with_interval(interval)}% right"
    for error in list(result.examples.failed.values())[:LISTED]:
        yield f"not used: {error}"
    yield f"{folder} is a model; use it with: imagist classify IMAGES --model {folder}"


def notes(result: FitResult) -> Iterator[str]:
    """What is to be known about the figures, a sentence each."""
    measured, examples = result.measured, result.examples
    yield f"Fitted to {len(examples):,} images of {len(examples.labels)} classes in {result.seconds:.0f} s."
    if result.test is None:
        yield f"Figures are from cross-validation over the same {measured.images:,} images, with 95% intervals."
    else:
        yield f"Figures are of {measured.images:,} images of split {result.test}, with 95% intervals."
    if measured.images < FEW:
        yield f"{measured.images} images are few: the intervals say how little is certain."
    if isinstance(fusion := result.pipeline.fusion, ScoreFusion):
        yield f"Weight of the text classifier: {_weight(fusion)}. {text_weight(fusion.weight)}"
        for name, other in fusion.others.items():
            yield f"Its weight for the categories of {name}: {_weight(other)}."
    yield f"Expected calibration error of the fused probabilities: {measured.calibration_error:.3f}."
    if result.duplicates:
        yield f"{result.duplicates:,} near-duplicates of test images were left out of training."
    if examples.failed:
        yield f"{len(examples.failed):,} images could not be used."


def _weight(fusion: ScoreFusion) -> str:
    if fusion.interval is None:
        return f"{fusion.weight:.2f}"
    low, high = fusion.interval
    return f"{fusion.weight:.2f} [{low:.2f}, {high:.2f}]"


def accuracy_table(result: FitResult) -> Table:
    """Accuracies x 100 with their 95% intervals."""
    rows = tuple((NAMES[name], with_interval(each)) for name, each in result.measured.accuracy.items())
    return Table(("classifier", "accuracy"), rows, "Share of images classified correctly, x 100, with 95% intervals.")


def classes_table(result: FitResult) -> Table:
    """For each class its images, the share that is found, and the class that it is most often taken for."""
    confusion, labels = result.measured.confusion, result.measured.labels
    rows = []
    for place, label in enumerate(labels):
        row = confusion[place].astype(np.int64)
        others = row.copy()
        others[place] = 0
        wrong = f"{labels.names[int(others.argmax())]} ({others.max()})" if others.any() else "–"
        recall = f"{100 * row[place] / row.sum():.0f}" if row.sum() else "–"
        rows.append((label, f"{row.sum():,}", recall, wrong))
    return Table(("class", "images", "found, %", "most often taken for"), tuple(rows), "Fused predictions by class.")
