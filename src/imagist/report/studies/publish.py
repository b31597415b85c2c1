"""A study's folder: results for programs, tables, figures, and one page that holds them all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from imagist import settings
from imagist.metrics.information import Information, information
from imagist.report.studies.categories import errors_table
from imagist.report.studies.drawing import draw_once
from imagist.report.studies.examples import draw_examples
from imagist.report.studies.figures import Figures
from imagist.report.studies.page import Listing, Panel, Section, write_page
from imagist.report.studies.tables import Table, write_tables
from imagist.report.studies.wording import points
from imagist.report.studies.written_tables import (
    gains_table,
    information_table,
    systems_table,
    words_table,
    write_results,
)
from imagist.study.results import Outcome, gains
from imagist.study.run import Found, learnt
from imagist.study.store import key_of

ASKED = 0.05  # the risk that the figure of abstention marks


def publish(found: Found, folder: Path) -> Path:
    """Writes all that is to be read, and names the page.

    Args:
        found: What the study found.
        folder: Of the study.

    Raises:
        OutputError: It cannot be written there.
        MissingExtra: matplotlib or scipy is not installed.
    """
    write_results(found, folder)
    figures = Figures(found, folder / "figures")
    tables: dict[str, Table] = {"Systems": systems_table(found.outcomes)}
    sections = [Section("Which system", (figures.comparison(), tables["Systems"]))]

    compared = gains(found.outcomes, found.trials, len(found.data.examples), found.store)
    if compared:
        tables["What fusion gains"] = gains_table(compared)
        sections.append(Section("What fusion gains", (*figures.sweeps(), tables["What fusion gains"])))
    if len(found.trials) > 1:
        sections.append(Section("Fold by fold", (figures.stability(),)))
    if curves := tuple(figures.curves()):
        sections.append(Section("Learning", curves))
    for words, image, told in _informed(found, figures):
        name = words.system.captioner
        tables[f"Words of {name}"] = table = information_table(f"{words.system.name} and {image.system.name}", told)
        plot = figures.information(name, words, image)
        sections.append(Section(f"What the words of {name} keep", (plot, table, words_table(told))))
    plot, errors = figures.categories()
    tables["Errors by category"] = errors_table(errors, "Shares of each category's images, times 100.")
    sections.append(Section("By category", (plot, tables["Errors by category"], *figures.confusions())))
    sections.append(Section("Honesty", (figures.reliability(), figures.abstention(ASKED))))
    shown = figures.examples()
    draw_once(draw_examples, shown, folder / "figures" / "examples")
    sections.append(Section("Examples", ("Images on which the best systems disagree come first.", Panel(shown))))
    sections.append(Section("How it was done", (*_told(found), Listing(settings.to_toml(found.study)))))

    write_tables(folder / "tables.md", found.study.name, tables)
    page = folder / "report.html"
    best = max(found.outcomes, key=lambda each: each.accuracy.value)
    facts = [
        (f"{points(best.accuracy.value)}%", f"best accuracy: {best.system.name}"),
        (f"{len(found.data.examples):,}", f"images in {len(found.data.labels)} categories"),
        (str(len(found.trials)), "trials"),
    ]
    write_page(page, found.study.name, sections, lead=found.study.about, facts=facts)
    return page


def _informed(found: Found, figures: Figures) -> Iterator[tuple[Outcome, Outcome, Information]]:
    """For each captioner the information report, by its best classifier of words and the best of images."""
    images = figures.best(1, ("image",))
    for name, captions in found.captions.items():
        words = [each for each in figures.best(len(found.outcomes), ("words",)) if each.system.captioner == name]
        if words and images:
            said = [captions[i] for i in figures.rows]
            given = figures.targets, images[0].probabilities, words[0].probabilities, said, found.data.labels
            key = key_of("information", *given)
            yield words[0], images[0], found.store.record(key, Information, partial(information, *given))


def _told(found: Found) -> Iterator[str]:
    """What a reader must know of the data and of what was chosen where."""
    counts = np.bincount(found.data.targets, minlength=len(found.data.labels))
    several = len(found.data.examples) - len(set(found.data.groups.tolist()))
    folds = found.study.folds
    yield f"{len(counts)} categories of {counts.min()} to {counts.max()} images. Folds are {folds.kind}."
    yield (
        f"{several} images are near-duplicates of an earlier one (64-bit perceptual hash); folds that are made here "
        "keep them together."
    )
    if found.leaks:
        yield f"Leakage was allowed: {len(found.leaks)} near-duplicates are trained on and judged."
    for each in learnt(found.study, found.data, found.trials):
        yield f"Leakage was allowed: {each}, which is judged here."
    yield (
        f"Of what a trial trains on, {folds.fits} of {folds.inner} inner folds are held out in turn: on them training "
        "is stopped, temperatures are fitted and fusion weights are chosen. The images that judge have no say in it."
    )
