"""What a study writes, of made-up results: rows for programs, tables and charts for people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest

import study_cases as cases

pytest.importorskip("matplotlib")

from PIL import Image

from imagist.records import Photo
from imagist.report.formatting import points
from imagist.report.study.charts import IMAGES, StudyCharts
from imagist.report.study.publish import publish
from imagist.report.study.result_files import write_results
from imagist.report.study.result_tables import gains_table, information_table, informative_words_table, systems_table
from imagist.study.analysis import caption_information
from imagist.study.captions import Paths
from imagist.study.config import Data, Folds, Fusions, Study
from imagist.study.dataset import trials
from imagist.study.fusing import Pair, calibrated, fused
from imagist.study.results import System, evaluate_system, gains
from imagist.study.run import StudyResult

IMAGE, TEXT = System("image", image="net"), System("text", "sat", "bag")
STORE = cases.Nowhere()
CAPTIONS = ("a red thing", "something green", "the blue one")


def made_up(kind="stratified", seeds=(0,), targets=None, kinds=("score", "stacking")):
    """A study of three classes, one image classifier and one text classifier."""
    targets = np.arange(60) % 3 if targets is None else targets
    data = cases.dataset(targets, splits=["train"] * 30 + ["dev"] * (len(targets) - 30))
    folds = Folds(kind, number=2, seeds=seeds, inner=3)
    every = tuple(trials(folds, data))
    skills = {IMAGE: 2.0, TEXT: 0.5}
    scores = {
        system: tuple(
            cases.scores_on(t, data.targets, skill=skill, seed=number, history=cases.epochs() if number else ())
            for t in every
        )
        for number, (system, skill) in enumerate(skills.items())
    }
    probabilities = {
        system: [
            calibrated(o, data.targets[t.validation], len(t.fold.test), STORE) for o, t in zip(of, every, strict=True)
        ]
        for system, of in scores.items()
    }
    for which in kinds:
        probabilities[System("fused", "sat", "bag", "net", which)] = [
            fused(which, Pair(scores[IMAGE][j], scores[TEXT][j], data.targets[t.validation], data.targets[t.fold.test],
                              data.labels, 0), Fusions(weights=5), STORE)
            for j, t in enumerate(every)
        ]  # fmt: skip
    systems = tuple(evaluate_system(system, of, every, data, STORE) for system, of in probabilities.items())
    study = Study("made up", Data(()), "About nothing.", folds)
    captions = {"sat": tuple(CAPTIONS[t] for t in data.targets)}
    paths = Paths(Path(), Path("study.toml"), Path())
    gained = tuple(gains(systems, every, len(targets), STORE))
    found = caption_information(systems, captions, every, data, STORE)
    more = captions, systems, scores, gained, found, (), (), (), {}
    return StudyResult(study, paths, data, every, *more)


@pytest.fixture(scope="module")
def whole():
    return made_up(seeds=(0, 1))


@pytest.fixture
def photos(monkeypatch):
    """Grey ones."""
    grey = np.full((8, 8, 3), 90, np.uint8)
    monkeypatch.setattr("imagist.study.dataset.Dataset.photos", lambda self, rows: [Photo(grey, str(i)) for i in rows])


def test_results_are_a_row_for_each_system_and_trial(whole, tmp_path):
    write_results(whole, tmp_path)
    table = pq.read_table(tmp_path / "results.parquet")
    assert table.column_names == [
        "system", "kind", "captioner", "text_classifier", "image_classifier", "fusion", "shots", "seed", "fold",
        "test_images", "accuracy", "top5_accuracy", "nll", "brier", "ece", "text_weight",
    ]  # fmt: skip
    rows = table.to_pylist()
    assert [(r["system"], r["seed"], r["fold"]) for r in rows] == [
        (o.system.name, seed, fold) for o in whole.systems for seed in (0, 1) for fold in (0, 1)
    ]
    assert {row["test_images"] for row in rows} == {30}
    for row, metrics in zip(rows, (f for o in whole.systems for f in o.metrics), strict=True):
        assert row["accuracy"] == metrics.accuracy
        assert row["text_weight"] == metrics.text_weight
        assert (row["text_weight"] is None) == (row["fusion"] != "score")


def test_a_weight_is_a_number_in_every_study(tmp_path):
    write_results(made_up("fixed", kinds=()), tmp_path)
    table = pq.read_table(tmp_path / "results.parquet")
    assert table.schema.field("text_weight").type == "double"
    assert table["text_weight"].to_pylist() == [None, None]
    write_results(made_up("fixed"), tmp_path)
    assert pq.read_table(tmp_path / "results.parquet").schema == table.schema


def test_predictions_are_a_row_for_each_system_and_judged_image(tmp_path):
    fixed = made_up("fixed")
    write_results(fixed, tmp_path)
    table = pq.read_table(tmp_path / "predictions.parquet")
    assert table.column_names == ["system", "image", "label", "prediction", "probability", "correct"]
    rows = table.to_pylist()
    assert len(rows) == len(fixed.systems) * 30
    assert [row["image"] for row in rows[:30]] == [f"{i}.png" for i in range(30, 60)]
    for row in rows:
        assert row["correct"] == (row["prediction"] == row["label"])
        assert 1 / 3 <= row["probability"] <= 1
    by_system = {o.system.name: o.metrics[0].accuracy for o in fixed.systems}
    for name, accuracy in by_system.items():
        right = [row["correct"] for row in rows if row["system"] == name]
        assert np.mean(right) == pytest.approx(accuracy)


def test_a_image_s_row_is_the_mean_over_seeds(whole, tmp_path):
    write_results(whole, tmp_path)
    rows = pq.read_table(tmp_path / "predictions.parquet").to_pylist()
    assert len(rows) == len(whole.systems) * 60
    right = np.array([row["correct"] for row in rows]).reshape(-1, 60)
    np.testing.assert_allclose(right, [o.correct.mean(axis=0) for o in whole.systems])
    assert 0.5 in right


def test_the_best_system_stands_on_top_with_means_over_trials(whole):
    table = systems_table(whole.systems)
    assert table.heads == ("system", "kind", "accuracy", "top-5 accuracy", "NLL, nats", "Brier score", "ECE", "w")
    values = [float(row[2].split()[0]) for row in table.rows]
    assert values == sorted(values, reverse=True)
    by_name = {row[0]: row for row in table.rows}
    for each in whole.systems:
        row = by_name[each.system.name]
        assert row[1] == each.system.kind
        assert row[2].startswith(points(each.correct.mean()))
        assert row[4] == f"{np.mean([f.nll for f in each.metrics]):.3f}"
        assert row[5] == f"{np.mean([f.brier for f in each.metrics]):.3f}"
        chosen = [f.text_weight for f in each.metrics if f.text_weight is not None]
        assert row[7] == (f"{np.mean(chosen):.2f}" if each.system.fusion == "score" else "–")


def test_the_greatest_gain_stands_on_top(whole):
    made = whole.gains
    table = gains_table(made)
    differences = {(g.compared.first, g.compared.second): g.compared.difference.value for g in made}
    values = [differences[row[:2]] for row in table.rows]
    assert values == sorted(values, reverse=True)
    assert all(row[2].startswith(points(v, sign=True)) for row, v in zip(table.rows, values, strict=True))
    assert table.heads[-1] == "p, corrected t"


def test_without_a_score_fusion_there_is_no_weight(whole):
    single = [each for each in whole.systems if each.system.fusion != "score"]
    assert systems_table(tuple(single)).heads[-1] == "ECE"
    assert systems_table(whole.systems).heads[-1] == "w"


def test_one_trial_has_no_test_over_trials():
    once = made_up("fixed")
    table = gains_table(once.gains)
    assert table.heads[-1] == "p, Holm"
    assert len(table.rows) == 2


def test_the_information_report_tells_what_words_keep(whole):
    image, text = whole.systems[:2]
    (of,) = whole.information
    assert (of.captioner, of.text, of.image) == ("sat", text, image)
    table = dict(information_table("sat", of.information).rows)
    right = [(o.probabilities.argmax(axis=1) == whole.data.targets) for o in (image, text)]
    assert table["accuracy of the image classifier"].startswith(points(right[0].mean()))
    assert table["accuracy of the text classifier"].startswith(points(right[1].mean()))
    assert table["text minus image"].startswith(points(right[1].mean() - right[0].mean(), sign=True))
    ceiling = table["either is correct (upper bound of any choice between them)"]
    assert ceiling.startswith(points((right[0] | right[1]).mean()))
    typical = {row[0]: row[1] for row in informative_words_table(of.information).rows}
    assert typical["red"] == "class0"
    assert typical["blue"] == "class2"


@pytest.mark.slow
def test_a_study_is_published_whole(whole, photos, tmp_path):
    page = publish(whole, tmp_path)
    made = sorted(file.name for file in (tmp_path / "figures").iterdir() if not file.name.startswith("."))
    stems = (
        "abstention", "category-errors", "comparison", "confusion-fused", "confusion-image", "confusion-text",
        "examples", "learning-curves-1", "reliability", "stability", "sweep-1", "text-vs-image-sat",
    )  # fmt: skip
    assert made == sorted(f"{stem}.{suffix}" for stem in stems for suffix in ("png", "svg"))
    for file in (tmp_path / "figures").iterdir():
        if file.suffix == ".png":
            pixels = np.asarray(Image.open(file).convert("L"))
            assert min(pixels.shape) > 100
            assert pixels.std() > 1
        elif file.suffix == ".svg":
            assert len([*ElementTree.parse(file).getroot().iter()]) > 20
    html = page.read_text("utf-8")
    for heading in (
        "Accuracy of all systems", "Gains of fusion", "Accuracy by fold", "Learning curves",
        "Information in the captions of sat", "Errors by category", "Calibration and abstention", "Examples",
        "Methods and settings",
    ):  # fmt: skip
        assert f"<h2>{heading}</h2>" in html
    assert "About nothing." in html
    assert "Leakage" not in html
    assert 'src="figures' not in html
    tables = (tmp_path / "tables.md").read_text("utf-8")
    for heading in ("Systems", "Gains of fusion", "Captions of sat", "Errors by category", "Most frequent confusions"):
        assert heading in tables
    assert {file.name for file in tmp_path.iterdir()} == {
        "figures", "predictions.parquet", "report.html", "results.parquet", "tables.md",
    }  # fmt: skip


def test_the_sweep_is_the_mean_over_trials_and_marks_the_choice(whole, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("imagist.report.study.charts.draw_sweep", lambda data, stem: drawn.extend(data))
    (plot,) = StudyCharts(whole, tmp_path).sweeps()
    (sweep,) = drawn
    fused = next(o for o in whole.systems if o.system.fusion == "score")
    np.testing.assert_allclose(sweep.accuracy, np.mean([t.sweep for t in fused.trials], axis=0))
    np.testing.assert_array_equal(sweep.weights, [0, 0.25, 0.5, 0.75, 1])
    assert sweep.accuracy[0] == pytest.approx(whole.systems[0].correct.mean())
    assert sweep.accuracy[-1] == pytest.approx(whole.systems[1].correct.mean())
    assert sweep.chosen.value == pytest.approx(np.mean([f.text_weight for f in fused.metrics]))
    assert plot.stem == tmp_path / "sweep-1"


def test_errors_of_a_category_are_over_its_own_images(whole, tmp_path, monkeypatch):
    monkeypatch.setattr("imagist.report.study.charts.draw_category_errors", lambda data, stem: None)
    _, errors = StudyCharts(whole, tmp_path).category_errors()
    place = errors.systems.index("net")
    truth = whole.data.targets
    wrong = whole.systems[0].probabilities.argmax(axis=1) != truth
    np.testing.assert_allclose(errors.top1[place], [wrong[truth == c].mean() for c in range(3)])
    assert errors.counts.tolist() == [20, 20, 20]


def test_confusions_compare_the_best_text_with_images_and_the_best_fusion(whole, tmp_path):
    table = StudyCharts(whole, tmp_path).frequent_confusions()
    best = [max((o for o in whole.systems if o.system.kind == kind), key=lambda o: o.accuracy.value)
            for kind in ("text", "image", "fused")]  # fmt: skip
    assert table.heads[2:] == tuple(each.system.name for each in best)
    wrong = [int((o.probabilities.argmax(axis=1) != whole.data.targets).sum()) for o in best]
    assert [int(cell) for cell in table.rows[-1][2:]] == wrong


def test_a_category_that_nothing_judges_is_no_fault(photos, tmp_path, monkeypatch):
    for name in ("category_errors", "confusion", "text_vs_image", "reliability", "abstention"):
        monkeypatch.setattr(f"imagist.report.study.charts.draw_{name}", lambda *given, **named: None)
    lacking = made_up("fixed", targets=np.array([*np.arange(30) % 3, *np.arange(20) % 2]))
    charts = StudyCharts(lacking, tmp_path)
    _, errors = charts.category_errors()
    assert errors.labels == ("class0", "class1")
    assert errors.counts.tolist() == [10, 10]
    assert len([*charts.confusions()]) == 3


def test_examples_on_which_systems_disagree_come_first(whole, photos, tmp_path):
    shown = StudyCharts(whole, tmp_path).examples()
    assert len(shown) == IMAGES
    right = [{prediction.correct for prediction in each.predictions} for each in shown]
    assert right[0] == {True, False}
    assert sorted(right, key=len, reverse=True) == right
    assert {prediction.caption for each in shown for prediction in each.predictions} <= {*CAPTIONS, None}
    for each in shown:
        assert all(prediction.correct == (prediction.label == each.label) for prediction in each.predictions)


def test_images_alone_make_a_report_as_well(photos, tmp_path, monkeypatch):
    quick = ["comparison", "category_errors", "confusion", "reliability", "abstention", "examples"]
    stems = []
    for name in quick:
        where = "publish" if name == "examples" else "charts"
        monkeypatch.setattr(
            f"imagist.report.study.{where}.draw_{name}", lambda data, stem, **named: stems.append(stem.name)
        )
    monkeypatch.setattr("imagist.report.study.publish.write_page", lambda page, *given, **named: None)
    every = made_up("fixed", kinds=())
    only = replace(
        every, systems=every.systems[:1], scores={IMAGE: every.scores[IMAGE]}, captions={}, gains=(), information=()
    )
    publish(only, tmp_path)
    assert stems == ["comparison", "category-errors", "confusion-image", "reliability", "abstention", "examples"]
    assert "Gains of fusion" not in (tmp_path / "tables.md").read_text("utf-8")
