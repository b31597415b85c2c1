"""Saves a system of a study as a model: its parts are fitted again, to all images that the study trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from imagist import __version__
from imagist.arrays import Ints
from imagist.bundle import Bundle, trained_on, write_trained_on
from imagist.captioning.loading import open_captioner
from imagist.classifiers.fusion import ScoreFusion
from imagist.classifiers.taxonomy import identity
from imagist.datasets.folds import grouped
from imagist.pipeline import Pipeline
from imagist.protocols import Captioner
from imagist.study.captions import Paths, caption_options, captioner_model
from imagist.study.config import CaptionerChoice
from imagist.study.parts import SystemParts, parts_of
from imagist.study.results import SystemResult
from imagist.study.run import StudyResult
from imagist.training.fit import system as systems
from imagist.training.fit.examples import Examples


def save_system(result: StudyResult, of: SystemResult, folder: Path) -> Bundle:
    """Fits a system's parts again and writes them as a model; one that is there is replaced.

    The parts are fitted to every image that the study trained on, with the settings of the study and the first of its
    seeds. The card carries the accuracy that the study measured, not one of the new fit. A system without captions
    gets the shipped captioner and no text classifier, one without an image classifier none.

    Args:
        result: Of the study.
        of: The system.
        folder: Of the model.

    Raises:
        UsageError: The system cannot be saved.
        OutputError: The folder cannot be written to.
    """
    parts, study = parts_of(result, of.system), result.study
    examples = _examples(result, parts)
    groups = result.data.groups[_rows(result)]
    fewest = int(np.bincount(examples.targets).min())
    folds = grouped(
        examples.targets,
        groups,
        max(2, min(study.folds.inner, fewest)),
        study.folds.seeds[0],
        names=examples.labels.names,
    )
    seed = study.folds.seeds[0]
    fitted = systems.fit_system(
        parts.text.settings if parts.text else None,
        parts.image.settings if parts.image else None,
        parts.fusion or "score",
        examples,
        folds,
        seed=seed,
        weight=None if parts.fusion else float(parts.text is not None),
        data=result.paths.data,
    )
    text, image, fusion = fitted.text_classifier, fitted.image_classifier, fitted.fusion
    calibration = fitted.calibration
    if parts.distilled and fitted.held_out is not None:
        student = systems.distil(fitted, examples, fitted.held_out[2], seed)
        image, fusion, calibration = student.image_classifier, ScoreFusion(0.0), student.calibration
    captioner = _captioner(parts.captioner, result.paths)
    pipeline = Pipeline(captioner, text, image, identity(examples.labels), fusion, calibration)
    name = f"{study.name}: {of.system.name}"
    bundle = pipeline.save(folder, folder.name, name, **_card(result, of, examples))
    begun = captioner_model(parts.captioner, result.paths) if parts.captioner else "embedded"
    write_trained_on(folder, examples.hashes, trained_on(begun))
    return bundle


def _rows(result: StudyResult) -> Ints:
    """The rows that the study trained on: all of them, where every fold tests another part."""
    fixed = result.study.folds.kind == "fixed"
    return result.trials[0].fold.train if fixed else np.arange(len(result.data.examples))


def _examples(result: StudyResult, parts: SystemParts) -> Examples:
    data, rows = result.data, _rows(result)
    captions = result.captions[parts.captioner.name] if parts.captioner else ("",) * len(data.examples)
    features, weights = np.zeros((len(captions), 0), np.float32), np.ones(len(captions), np.float32)
    whole = Examples(data.examples, data.labels, data.targets, captions, features, data.hashes, weights, {})
    return whole.chosen(rows)


def _captioner(choice: CaptionerChoice | None, paths: Paths) -> Captioner:
    if choice is None:
        return open_captioner()
    return open_captioner(captioner_model(choice, paths), caption_options(choice), kind=choice.kind)


def _card(result: StudyResult, of: SystemResult, examples: Examples) -> dict[str, Any]:
    each = of.accuracy
    interval = {"value": round(each.value, 4), "low": round(each.low, 4), "high": round(each.high, 4)}
    measured = {"on": f"study {result.study.name}, {len(result.trials)} trials", "accuracy": {of.system.kind: interval}}
    fitted = {"imagist": __version__, "seed": result.study.folds.seeds[0], "folds": result.study.folds.inner}
    return {"fitted": fitted, "data": {"images": len(examples)}, "measured": measured}
