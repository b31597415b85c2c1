"""Writes a study's folder: results for programs, tables, charts, and one page that holds them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from imagist import settings
from imagist.report.charts.category_errors import errors_table
from imagist.report.charts.examples import draw_examples
from imagist.report.charts.once import draw_once
from imagist.report.formatting import with_interval
from imagist.report.study.charts import StudyCharts
from imagist.report.study.page import Listing, Panel, Part, Section, write_page
from imagist.report.study.result_files import write_results
from imagist.report.study.result_tables import (
    comparisons_table,
    gains_table,
    information_table,
    informative_words_table,
    labels_table,
    systems_table,
)
from imagist.report.tables import Table, write_tables
from imagist.study.run import StudyResult

TARGET_RISK = 0.05  # marked in the chart of abstention


def publish(result: StudyResult, folder: Path) -> Path:
    """Writes all results for people and programs, and returns the path of the page.

    Args:
        result: Of the study.
        folder: Of the study.

    Raises:
        OutputError: The folder cannot be written to.
        MissingExtra: matplotlib or scipy is not installed.
    """
    write_results(result, folder)
    charts = StudyCharts(result, folder / "figures")
    tables: dict[str, Table] = {}
    sections = list(_sections(result, charts, tables))
    write_tables(folder / "tables.md", result.study.name, tables)
    page = folder / "report.html"
    facts = [
        (with_interval(result.best.accuracy), f"best accuracy in %, with its 95% interval: {result.best.system.name}"),
        (f"{len(result.data.examples):,}", f"images in {len(result.data.labels)} categories"),
        (str(len(result.trials)), "trial" if len(result.trials) == 1 else "trials"),
    ]
    write_page(page, result.study.name, sections, lead=result.study.about, facts=facts)
    return page


def _sections(result: StudyResult, charts: StudyCharts, tables: dict[str, Table]) -> Iterator[Section]:
    """The sections of the page; tables that are to be written as Markdown are added to ``tables``."""
    tables["Systems"] = systems_table(result.systems)
    yield Section("Accuracy of all systems", (charts.comparison(), tables["Systems"]))
    if result.gains:
        tables["Gains of fusion"] = gains_table(result.gains)
        yield Section("Gains of fusion", (*charts.sweeps(), tables["Gains of fusion"]))
    if result.curve and result.curve[-1].comparisons:
        tables["Captions, images and both"] = comparisons_table(result.curve)
        yield Section("Captions, images and both", tuple(_main_line(result, charts, tables)))
    if len(result.trials) > 1:
        yield Section("Accuracy by fold", (charts.stability(),))
    if curves := tuple(charts.learning_curves()):
        yield Section("Learning curves", curves)
    for each in result.information:
        pair = f"{each.text.system.name} and {each.image.system.name}"
        tables[f"Captions of {each.captioner}"] = table = information_table(pair, each.information)
        parts = charts.text_vs_image(each), table, informative_words_table(each.information)
        yield Section(f"Information in the captions of {each.captioner}", parts)
    plot, errors = charts.category_errors()
    tables["Errors by category"] = errors_table(errors, "Percentage of each category's images.")
    tables["Most frequent confusions"] = frequent = charts.frequent_confusions()
    yield Section("Errors by category", (plot, tables["Errors by category"], frequent, *charts.confusions()))
    yield Section("Calibration and abstention", (charts.reliability(), charts.abstention(TARGET_RISK)))
    examples = charts.examples()
    draw_once(draw_examples, examples, charts.folder / "examples")
    yield Section("Examples", ("Images on which the best systems disagree come first.", Panel(examples)))
    yield Section("Methods and settings", (*_methods(result), Listing(settings.to_toml(result.study))))


def _main_line(result: StudyResult, charts: StudyCharts, tables: dict[str, Table]) -> Iterator[Part]:
    """The comparisons of the main line, and where the study has a curve, the accuracy by labels."""
    if len(result.curve) > 1:
        tables["Accuracy by labels"] = labels_table(result.curve)
        yield charts.labels()
        yield tables["Accuracy by labels"]
    yield tables["Captions, images and both"]


def _methods(result: StudyResult) -> Iterator[str]:
    """How the data were divided, and what was chosen on which part."""
    counts = np.bincount(result.data.targets, minlength=len(result.data.labels))
    duplicates = len(result.data.examples) - len(set(result.data.groups.tolist()))
    folds = result.study.folds
    yield f"{len(counts)} categories of {counts.min()} to {counts.max()} images. Folds are {folds.kind}."
    yield (
        f"{duplicates} images are near-duplicates of an earlier one (64-bit perceptual hash). "
        "Folds that the study makes keep near-duplicates together."
    )
    if result.leaks:
        yield f"Leakage was allowed: {len(result.leaks)} test images have near-duplicates among the training images."
    for each in result.trained_on_test:
        yield f"Leakage was allowed: {each}, which is tested here."
    yield from result.learnt_from_test
    yield (
        f"{folds.fits} of {folds.inner} inner folds of each trial's training images are validation folds in turn, for "
        "early stopping, temperatures and fusion weights. Test images are used for nothing but the results."
    )
