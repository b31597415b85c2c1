"""What a study found as tables: one Parquet file for programs, Markdown and HTML for people."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from imagist.metrics.information import Information
from imagist.report.studies.tables import Table
from imagist.report.studies.wording import p_value, points, with_interval
from imagist.storage import atomic_write
from imagist.study.results import Gain, Outcome, judged
from imagist.study.run import Found


def write_results(found: Found, folder: Path) -> None:
    """``results.parquet``, a row a system and trial, and ``predictions.parquet``, a row a system and judged image."""
    rows = [
        asdict(each.system) | {"system": each.system.name, "seed": trial.seed, "fold": trial.number,
                               "items": len(trial.fold.test)} | asdict(figures)
        for each in found.outcomes
        for trial, figures in zip(found.trials, each.figures, strict=True)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows)
    weights = table["weight"].cast(pa.float64())  # where nothing has a weight its type would be null
    _write(table.set_column(table.column_names.index("weight"), "weight", weights), folder / "results.parquet")
    places = judged(found.trials)
    names = [found.data.examples[i].image for i in places]
    truth = [found.data.examples[i].label for i in places]
    parts = []
    for each in found.outcomes:
        best = each.probabilities.argmax(axis=1)
        parts.append(
            pa.table({
                "system": [each.system.name] * len(places), "image": names, "label": truth,
                "said": [found.data.labels.names[i] for i in best],
                "probability": each.probabilities.max(axis=1),
                "right": each.right.mean(axis=0).astype(np.float32),
            })
        )  # fmt: skip
    _write(pa.concat_tables(parts), folder / "predictions.parquet")


def _write(table: pa.Table, path: Path) -> None:
    with atomic_write(path) as scratch:
        pq.write_table(table, scratch)


def systems_table(outcomes: tuple[Outcome, ...]) -> Table:
    """Every system, the best on top; figures are means over trials."""
    rows = []
    for each in sorted(outcomes, key=lambda of: -of.accuracy.value):
        mean = {
            name: float(np.mean([getattr(f, name) for f in each.figures]))
            for name in ("top5", "loss", "brier", "calibration_error")
        }
        weights = [f.weight for f in each.figures if f.weight is not None]
        chosen = f"{np.mean(weights):.2f}" if weights else "–"
        rows.append((
            each.system.name, each.system.kind, with_interval(each.accuracy), points(mean["top5"]),
            f"{mean['loss']:.3f}", f"{mean['brier']:.3f}", f"{mean['calibration_error']:.3f}", chosen,
        ))  # fmt: skip
    heads = ("system", "kind", "accuracy", "top-5", "loss, nats", "Brier", "ECE", "w")
    told = len(heads) if any(f.weight is not None for each in outcomes for f in each.figures) else -1
    return Table(
        heads[:told], tuple(row[:told] for row in rows),
        "Means over trials, each judged on rows that neither training nor choices saw; accuracy with its 95% bootstrap "
        "interval over images. w is what the words count for, chosen on inner folds.",
    )  # fmt: skip


def gains_table(gains: list[Gain]) -> Table:
    """Each fused system against the better of its branches, each distilled one against its image's branch."""
    rows = tuple(
        (
            gain.compared.first, gain.compared.second, with_interval(gain.compared.difference, sign=True),
            p_value(gain.compared.p_value), p_value(gain.compared.adjusted),
            "–" if gain.trials_p is None else p_value(gain.trials_p),
        )
        for gain in sorted(gains, key=lambda of: -of.compared.difference.value)
    )  # fmt: skip
    heads = ("system", "against", "gain, points", "p", "p, Holm", "p, corrected t")
    told = len(heads) if any(gain.trials_p is not None for gain in gains) else -1  # one trial has no spread
    return Table(
        heads[:told], tuple(row[:told] for row in rows),
        "Paired differences of accuracy on the same images, with 95% intervals. p: McNemar's exact test with one "
        "seed, else the paired bootstrap; Holm: corrected for all rows of this table; corrected t: over the trials "
        "(Nadeau and Bengio 2003). The rival is the better single branch on the judged images themselves.",
    )  # fmt: skip


def information_table(name: str, found: Information) -> Table:
    """How much a caption keeps of what an image tells."""
    rows = (
        ("accuracy, image", with_interval(found.image_accuracy)),
        ("accuracy, words", with_interval(found.text_accuracy)),
        ("words less image", with_interval(found.difference.interval, sign=True)),
        ("agreement", with_interval(found.agreement)),
        ("Cohen's kappa", with_interval(found.kappa)),
        ("either is right (ceiling of any choice between them)", with_interval(found.oracle)),
        ("information about the label in the image, share", with_interval(found.bits.image_share)),
        ("information about the label in the words, share", with_interval(found.bits.text_share)),
        ("what the words keep of the image's", with_interval(found.bits.kept)),
    )
    return Table(
        ("", "x 100"), rows,
        f"{name}. Shares of the label's {found.bits.label:.2f} bits are lower bounds, from the classifiers' held-out "
        "log-loss (Barber and Agakov 2003).",
    )  # fmt: skip


def words_table(found: Information, most: int = 15) -> Table:
    """The most telling words."""
    rows = tuple((w.word, w.label, str(w.captions), f"{w.bits:.3f}") for w in found.words[:most])
    return Table(("word", "speaks for", "captions", "bits"), rows, "What it tells that a word is in the caption.")
