"""What a study leaves behind: rows for programs, tables and figures for people, of findings that are made up."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
import study_cases as cases

pytest.importorskip("matplotlib")

from PIL import Image

from imagist.metrics.information import information
from imagist.records import Photo
from imagist.report.studies.figures import IMAGES, Figures
from imagist.report.studies.publish import publish
from imagist.report.studies.wording import points
from imagist.report.studies.written_tables import (
    gains_table,
    information_table,
    systems_table,
    words_table,
    write_results,
)
from imagist.study.config import Data, Folds, Fusions, Study
from imagist.study.dataset import trials
from imagist.study.joining import alone, join
from imagist.study.results import System, gains, outcome
from imagist.study.run import Found

IMAGE, WORDS = System("image", image="net"), System("words", "told", "bag")
STORE = cases.Nowhere()
SAID = ("a red thing", "something green", "the blue one")


def found(kind="stratified", seeds=(0,), targets=None, kinds=("score", "stacking")):
    """A study of three classes, one image classifier and one of words."""
    targets = np.arange(60) % 3 if targets is None else targets
    data = cases.dataset(targets, splits=["train"] * 30 + ["dev"] * (len(targets) - 30))
    folds = Folds(kind, number=2, seeds=seeds, inner=3)
    every = tuple(trials(folds, data))
    skills = {IMAGE: 2.0, WORDS: 0.5}
    opinions = {
        system: tuple(
            cases.opinion_on(t, data.targets, skill=skill, seed=number, history=cases.epochs() if number else ())
            for t in every
        )
        for number, (system, skill) in enumerate(skills.items())
    }
    said = {
        system: [alone(o, data.targets[t.held], len(t.fold.test), STORE) for o, t in zip(of, every, strict=True)]
        for system, of in opinions.items()
    }
    for which in kinds:
        said[System("fused", "told", "bag", "net", which)] = [
            join(which, opinions[IMAGE][j], opinions[WORDS][j], data.targets[t.held], data.targets[t.fold.test],
                 data.labels, Fusions(weights=5), 0, STORE)
            for j, t in enumerate(every)
        ]  # fmt: skip
    outcomes = tuple(outcome(system, joined, every, data, STORE) for system, joined in said.items())
    study = Study("made up", Data(()), "About nothing.", folds)
    captions = {"told": tuple(SAID[t] for t in data.targets)}
    return Found(study, data, every, captions, outcomes, opinions, (), STORE, {})


@pytest.fixture(scope="module")
def whole():
    return found(seeds=(0, 1))


@pytest.fixture
def photos(monkeypatch):
    """Grey ones."""
    grey = np.full((8, 8, 3), 90, np.uint8)
    monkeypatch.setattr("imagist.study.dataset.Dataset.photos", lambda self, rows: [Photo(grey, str(i)) for i in rows])


def test_results_are_a_row_for_each_system_and_trial(whole, tmp_path):
    write_results(whole, tmp_path)
    table = pq.read_table(tmp_path / "results.parquet")
    assert table.column_names == [
        "kind", "captioner", "text", "image", "fusion", "system", "seed", "fold", "items",
        "accuracy", "top5", "loss", "brier", "calibration_error", "weight",
    ]  # fmt: skip
    rows = table.to_pylist()
    assert [(r["system"], r["seed"], r["fold"]) for r in rows] == [
        (o.system.name, seed, fold) for o in whole.outcomes for seed in (0, 1) for fold in (0, 1)
    ]
    assert {row["items"] for row in rows} == {30}
    for row, figures in zip(rows, (f for o in whole.outcomes for f in o.figures), strict=True):
        assert row["accuracy"] == figures.accuracy
        assert row["weight"] == figures.weight
        assert (row["weight"] is None) == (row["fusion"] != "score")


def test_a_weight_is_a_number_in_every_study(tmp_path):
    write_results(found("fixed", kinds=()), tmp_path)
    table = pq.read_table(tmp_path / "results.parquet")
    assert table.schema.field("weight").type == "double"
    assert table["weight"].to_pylist() == [None, None]
    write_results(found("fixed"), tmp_path)
    assert pq.read_table(tmp_path / "results.parquet").schema == table.schema


def test_predictions_are_a_row_for_each_system_and_judged_image(tmp_path):
    fixed = found("fixed")
    write_results(fixed, tmp_path)
    table = pq.read_table(tmp_path / "predictions.parquet")
    assert table.column_names == ["system", "image", "label", "said", "probability", "right"]
    rows = table.to_pylist()
    assert len(rows) == len(fixed.outcomes) * 30
    assert [row["image"] for row in rows[:30]] == [f"{i}.png" for i in range(30, 60)]
    for row in rows:
        assert row["right"] == (row["said"] == row["label"])
        assert 1 / 3 <= row["probability"] <= 1
    by_system = {o.system.name: o.figures[0].accuracy for o in fixed.outcomes}
    for name, accuracy in by_system.items():
        right = [row["right"] for row in rows if row["system"] == name]
        assert np.mean(right) == pytest.approx(accuracy)


def test_a_image_s_row_is_the_mean_over_seeds(whole, tmp_path):
    write_results(whole, tmp_path)
    rows = pq.read_table(tmp_path / "predictions.parquet").to_pylist()
    assert len(rows) == len(whole.outcomes) * 60
    right = np.array([row["right"] for row in rows]).reshape(-1, 60)
    np.testing.assert_allclose(right, [o.right.mean(axis=0) for o in whole.outcomes])
    assert 0.5 in right


def test_the_best_system_stands_on_top_with_means_over_trials(whole):
    table = systems_table(whole.outcomes)
    assert table.heads == ("system", "kind", "accuracy", "top-5", "loss, nats", "Brier", "ECE", "w")
    values = [float(row[2].split()[0]) for row in table.rows]
    assert values == sorted(values, reverse=True)
    by_name = {row[0]: row for row in table.rows}
    for each in whole.outcomes:
        row = by_name[each.system.name]
        assert row[1] == each.system.kind
        assert row[2].startswith(points(each.right.mean()))
        assert row[4] == f"{np.mean([f.loss for f in each.figures]):.3f}"
        assert row[5] == f"{np.mean([f.brier for f in each.figures]):.3f}"
        chosen = [f.weight for f in each.figures if f.weight is not None]
        assert row[7] == (f"{np.mean(chosen):.2f}" if each.system.fusion == "score" else "–")


def test_the_greatest_gain_stands_on_top(whole):
    made = gains(whole.outcomes, whole.trials, 60, STORE)
    table = gains_table(made)
    differences = {(g.compared.first, g.compared.second): g.compared.difference.value for g in made}
    values = [differences[row[:2]] for row in table.rows]
    assert values == sorted(values, reverse=True)
    assert all(row[2].startswith(points(v, sign=True)) for row, v in zip(table.rows, values, strict=True))
    assert table.heads[-1] == "p, corrected t"


def test_without_a_score_fusion_there_is_no_weight(whole):
    single = [each for each in whole.outcomes if each.system.fusion != "score"]
    assert systems_table(tuple(single)).heads[-1] == "ECE"
    assert systems_table(whole.outcomes).heads[-1] == "w"


def test_one_trial_has_no_test_over_trials():
    once = found("fixed")
    table = gains_table(gains(once.outcomes, once.trials, 60, STORE))
    assert table.heads[-1] == "p, Holm"
    assert len(table.rows) == 2


def test_the_information_report_tells_what_words_keep(whole):
    image, words = whole.outcomes[:2]
    said = whole.captions["told"]
    told = information(whole.data.targets, image.probabilities, words.probabilities, said, whole.data.labels)
    table = dict(information_table("told", told).rows)
    right = [(o.probabilities.argmax(axis=1) == whole.data.targets) for o in (image, words)]
    assert table["accuracy, image"].startswith(points(right[0].mean()))
    assert table["accuracy, words"].startswith(points(right[1].mean()))
    assert table["words less image"].startswith(points(right[1].mean() - right[0].mean(), sign=True))
    ceiling = table["either is right (ceiling of any choice between them)"]
    assert ceiling.startswith(points((right[0] | right[1]).mean()))
    words_told = {row[0]: row[1] for row in words_table(told).rows}
    assert words_told["red"] == "class0"
    assert words_told["blue"] == "class2"


@pytest.mark.slow
def test_a_study_is_published_whole(whole, photos, tmp_path):
    page = publish(whole, tmp_path)
    made = sorted(file.name for file in (tmp_path / "figures").iterdir() if not file.name.startswith("."))
    stems = (
        "abstention", "categories", "comparison", "confusion-fused", "confusion-image", "confusion-words", "curves-1",
        "examples", "information-told", "reliability", "stability", "sweep-1",
    )  # fmt: skip
    assert made == sorted(f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg"))
    for file in (tmp_path / "figures").iterdir():
        if file.suffix == ".png":
            pixels = np.asarray(Image.open(file).convert("L"))
            assert min(pixels.shape) > 100
            assert pixels.std() > 1
        elif file.suffix == ".svg":
            assert len([*ElementTree.parse(file).getroot().iter()]) > 20
    told = page.read_text("utf-8")
    for heading in (
        "Which system", "What fusion gains", "Fold by fold", "Learning", "What the words of told keep", "By category",
        "Honesty", "Examples", "How it was done",
    ):  # fmt: skip
        assert f"<h2>{heading}</h2>" in told
    assert "About nothing." in told
    assert "Leakage" not in told
    assert 'src="figures' not in told
    tables = (tmp_path / "tables.md").read_text("utf-8")
    for heading in ("Systems", "What fusion gains", "Words of told", "Errors by category"):
        assert heading in tables
    assert {file.name for file in tmp_path.iterdir()} == {
        "figures", "predictions.parquet", "report.html", "results.parquet", "tables.md",
    }  # fmt: skip


def test_the_sweep_is_the_mean_over_trials_and_marks_the_choice(whole, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("imagist.report.studies.figures.draw_sweep", lambda data, stem: drawn.extend(data))
    (plot,) = Figures(whole, tmp_path).sweeps()
    (sweep,) = drawn
    fused = next(o for o in whole.outcomes if o.system.fusion == "score")
    np.testing.assert_allclose(sweep.accuracy, np.mean([j.sweep for j in fused.joined], axis=0))
    np.testing.assert_array_equal(sweep.weights, [0, 0.25, 0.5, 0.75, 1])
    assert sweep.accuracy[0] == pytest.approx(whole.outcomes[0].right.mean())
    assert sweep.accuracy[-1] == pytest.approx(whole.outcomes[1].right.mean())
    assert sweep.chosen.value == pytest.approx(np.mean([f.weight for f in fused.figures]))
    assert plot.stem == tmp_path / "sweep-1"


def test_errors_of_a_category_are_over_its_own_images(whole, tmp_path, monkeypatch):
    monkeypatch.setattr("imagist.report.studies.figures.draw_categories", lambda data, stem: None)
    _, errors = Figures(whole, tmp_path).categories()
    place = errors.systems.index("net")
    truth = whole.data.targets
    wrong = whole.outcomes[0].probabilities.argmax(axis=1) != truth
    np.testing.assert_allclose(errors.top1[place], [wrong[truth == c].mean() for c in range(3)])
    assert errors.counts.tolist() == [20, 20, 20]


def test_a_category_that_nothing_judges_is_no_fault(photos, tmp_path, monkeypatch):
    for name in ("categories", "confusion", "information", "reliability", "abstention"):
        monkeypatch.setattr(f"imagist.report.studies.figures.draw_{name}", lambda *given, **named: None)
    lacking = found("fixed", targets=np.array([*np.arange(30) % 3, *np.arange(20) % 2]))
    figures = Figures(lacking, tmp_path)
    _, errors = figures.categories()
    assert errors.labels == ("class0", "class1")
    assert errors.counts.tolist() == [10, 10]
    assert len([*figures.confusions()]) == 3


def test_examples_on_which_systems_disagree_come_first(whole, photos, tmp_path):
    shown = Figures(whole, tmp_path).examples()
    assert len(shown) == IMAGES
    right = [{verdict.right for verdict in each.verdicts} for each in shown]
    assert right[0] == {True, False}
    assert sorted(right, key=len, reverse=True) == right
    assert {verdict.caption for each in shown for verdict in each.verdicts} <= {*SAID, None}
    for each in shown:
        assert all(verdict.right == (verdict.label == each.label) for verdict in each.verdicts)


def test_images_alone_make_a_report_as_well(photos, tmp_path, monkeypatch):
    quick = ["comparison", "categories", "confusion", "reliability", "abstention", "examples"]
    stems = []
    for name in quick:
        where = "publish" if name == "examples" else "figures"
        monkeypatch.setattr(f"imagist.study.{where}.draw_{name}", lambda data, stem, **named: stems.append(stem.name))
    monkeypatch.setattr("imagist.report.studies.publish.write_page", lambda page, *given, **named: None)
    every = found("fixed", kinds=())
    only = replace(every, outcomes=every.outcomes[:1], opinions={IMAGE: every.opinions[IMAGE]}, captions={})
    publish(only, tmp_path)
    assert stems == ["comparison", "categories", "confusion-image", "reliability", "abstention", "examples"]
    assert "What fusion gains" not in (tmp_path / "tables.md").read_text("utf-8")
