"""A study from end to end on coloured noise: what comes out, and that nothing is computed twice."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

import study_cases as cases
from imagist.cli.main import main
from imagist.errors import DataError, UsageError
from imagist.report.study import charts
from imagist.report.study import publish as publishing
from imagist.report.study.publish import publish
from imagist.study import analysis, fusing, jobs, results
from imagist.study.config import Data, Folds, Study, TextChoice
from imagist.study.run import run
from imagist.training.classifiers.text import Tfidf

pytestmark = pytest.mark.torch

FUSED = ("score", "logit", "stacking", "features")
DERIVED = ("temperature", "accuracy", "gain", "information", "pair")
ONCE = {"duplicates": 1, "captions": 1}
FITTED = dict.fromkeys(("text", "image", "score", "logit", "stacking", "features", "distilled"), 2)  # in two trials


def made(found, *kinds):
    """How many of what was computed, without the temperatures and intervals that come with everything."""
    return {kind: number for kind, number in found.computed.items() if kind not in (*DERIVED, *kinds)}


@pytest.fixture(scope="module")
def first(colours):
    """The outcome of a first run, and its folder."""
    folder = colours.root / "first"
    return run(colours.study(), colours.paths(folder)), folder


@pytest.fixture
def copied(first, tmp_path):
    """The folder of the first run, to go on in."""
    return shutil.copytree(first[1], tmp_path / "again")


def written(found, folder):
    """The bytes of all tables."""
    publish(found, folder)
    return {name: (folder / name).read_bytes() for name in ("results.parquet", "predictions.parquet", "tables.md")}


def test_every_system_is_tested_on_every_image_once(first):
    found, _ = first
    assert [o.system.name for o in found.systems] == [
        "recorded > bag", "linear", *(f"recorded > bag + linear ({kind})" for kind in FUSED),
        "linear distilled from recorded > bag (score)",
    ]  # fmt: skip
    assert len(found.data.examples) == 3 * cases.EACH
    for each in found.systems:
        assert each.correct.shape == (1, 36)
        assert [len(j.test) for j in each.trials] == [18, 18]
        np.testing.assert_allclose(each.probabilities.sum(axis=1), 1, atol=1e-5)
    assert sorted(row for t in found.trials for row in t.fold.test) == list(range(36))
    assert made(found) == ONCE | FITTED


def test_captions_are_those_of_the_images(first):
    found, _ = first
    for example, said in zip(found.data.examples, found.captions["recorded"], strict=True):
        number = int("".join(filter(str.isdigit, example.image.rsplit("/", 1)[1])))
        assert said.endswith(f"number {number}")
        assert (cases.WORDS[example.label] in said) == (number % 4 != 3)


def test_each_classifier_has_the_accuracy_that_its_input_allows(first):
    accuracy = {o.system.name: o.accuracy.value for o in first[0].systems}
    assert 0.6 <= accuracy["linear"] <= 5 / 6  # every sixth is of another colour
    assert 0.6 <= accuracy["recorded > bag"] <= 3 / 4  # every fourth speaks for another class
    assert accuracy["recorded > bag + linear (score)"] >= accuracy["linear"]
    assert accuracy["linear distilled from recorded > bag (score)"] >= 0.6
    histories = {system.name: [len(fit.history) for of in scores for fit in of.fits]
                 for system, scores in first[0].scores.items()}  # fmt: skip
    assert histories == {"recorded > bag": [0, 0], "linear": [2, 2]}


def test_the_ends_of_the_sweep_are_the_single_systems(first):
    by_name = {o.system.name: o for o in first[0].systems}
    for number, probabilities in enumerate(by_name["recorded > bag + linear (score)"].trials):
        assert len(probabilities.sweep) == 5
        assert probabilities.sweep[0] == by_name["linear"].metrics[number].accuracy
        assert probabilities.sweep[-1] == by_name["recorded > bag"].metrics[number].accuracy


def test_a_second_run_computes_nothing_and_writes_the_same(first, copied, colours, undrawn):
    found, folder = first
    again = run(colours.study(), colours.paths(copied))
    assert again.computed == {}
    assert written(again, copied) == written(found, folder)


def test_one_more_weight_computes_nothing(first, copied, colours):
    found = run(colours.study("fusion.weights=9"), colours.paths(copied))
    assert found.computed == {}
    for new, old in zip(found.systems[2].trials, first[0].systems[2].trials, strict=True):
        np.testing.assert_array_equal(new.sweep[::2], old.sweep)
        np.testing.assert_array_equal(new.test, old.test)


@pytest.mark.parametrize(
    ("override", "new"),
    [
        ("folds.seeds=[0, 1]", FITTED),
        ("folds.fits=2", FITTED),
        ("fusion.distilled=false", {}),
        ("image_classifiers=[]", {}),
    ],
)
def test_what_is_added_costs_only_itself(copied, colours, override, new):
    assert made(run(colours.study(override), colours.paths(copied))) == new


def test_another_text_classifier_costs_only_itself_and_leaves_the_others(first, copied, colours):
    study = colours.study("fusion.distilled=false")
    more = TextChoice("second", Tfidf(min_df=1, penalty=1e-2))
    found = run(replace(study, text_classifiers=(*study.text_classifiers, more)), colours.paths(copied))
    assert made(found) == dict.fromkeys(
        ("text", "score", "logit", "stacking"), 2
    )  # their features are those of the first
    by_name = {o.system.name: o for o in found.systems}
    assert len(by_name) == 1 + 2 * (1 + len(FUSED))
    for each in first[0].systems[:-1]:
        assert by_name[each.system.name].metrics == each.metrics


@pytest.mark.parametrize("change", ["captions", "image", "label"])
def test_changed_data_are_not_mistaken_for_the_old(colours, copied, tmp_path, change):
    other = cases.Colours(shutil.copytree(colours.root / "data", tmp_path / "other" / "data").parent)
    text = (colours.root / "captions.csv").read_text()
    (other.root / "captions.csv").write_text(
        text.replace("number 1\n", "number one\n") if change == "captions" else text
    )
    toml = colours.config.read_text().replace(str(colours.root), str(other.root))
    other.config.write_text(toml)
    red, images = other.data / "images" / "red", other.data / "images"
    if change == "image":
        (red / "red0.png").write_bytes(cases.image(1234, cases.COLOURS["red"]))
    if change == "label":
        (red / "red0.png").rename(images / "green" / "red0.png")
    plain = (
        "fusion.distilled=false",
        "fusion.kinds=['score', 'features']",
        *(["image_classifiers=[]"] if change == "label" else []),
    )
    found = run(other.study(*plain), other.paths(copied))
    depends = {"captions": {"text": 2}, "image": {"duplicates": 1, "image": 2}, "label": {"text": 2}}
    assert made(found, "score", "features") == {"captions": 1} | depends[change]
    assert (found.computed.get("score", 0) > 0) == (change != "label")  # none where both say what they said


def test_a_curve_trains_on_fewer_labels_and_tests_on_the_same_images(first, copied, colours, undrawn):
    study = colours.study("folds.curve=[3]", "fusion.distilled=false", "fusion.kinds=['score']")
    found = run(study, colours.paths(copied))
    few, whole = found.curve
    assert (few.shots, whole.shots, len(whole.systems)) == (3, 0, 3)
    assert found.systems == whole.systems
    for each in (few, whole):
        pairs = [(pair.first, pair.second) for pair in each.comparisons]
        both, text = "recorded > bag + linear (score)", "recorded > bag"
        assert pairs == [(both, "linear"), (both, text), ("linear", text)]
        right = {one.system.name: one.correct.mean() for one in each.systems}
        for pair in each.comparisons:
            assert pair.difference.value == pytest.approx(right[pair.first] - right[pair.second])
    assert not found.trials[0].unlabelled.size
    assert all(fit.test_features.shape[1] == 0 for of in found.scores.values() for each in of for fit in each.fits)
    publish(found, copied)
    tables = (copied / "tables.md").read_text("utf-8")
    assert "| system | kind | 3 labels | all labels |" in tables
    assert "| system | compared with | points, 3 labels | points, all labels |" in tables
    assert {*pq.read_table(copied / "results.parquet")["shots"].to_pylist()} == {0, 3}
    assert run(study, colours.paths(copied)).computed == {}


@pytest.fixture
def counted(monkeypatch):
    """Charts are empty files, and there is no page; returns counts of fits, resamplings and charts."""
    seen = Counter()

    def watch(module, name):
        whole = getattr(module, name)

        def noted(*given, **named):
            seen[name] += 1
            return whole(*given, **named)

        monkeypatch.setattr(module, name, noted)

    def figure(data, stem, **named):
        seen[stem.name] += 1
        for suffix in (".png", ".svg"):
            stem.with_name(stem.name + suffix).touch()

    for module, names in (
        (jobs, ("fit_words", "fit_images")),
        (
            fusing,
            ("calibrate", "fit_logits", "fit_stacking", "fit_feature_fusion", "fit_distilled", "fit_temperature"),
        ),
        (results, ("mean_interval", "compare_all")),
        (analysis, ("information",)),
    ):
        for name in names:
            watch(module, name)
    for name in [each for each in vars(charts) if each.startswith("draw_") and each != "draw_once"]:
        monkeypatch.setattr(charts, name, figure)
    monkeypatch.setattr(publishing, "draw_examples", figure)
    monkeypatch.setattr(publishing, "write_page", lambda page, *given, **named: None)

    def counts(study, paths):
        seen.clear()
        publish(run(study, paths), paths.folder)
        return dict(seen)

    return counts


def test_what_is_there_costs_nothing_and_a_new_row_only_itself(colours, copied, counted):
    paths, study = colours.paths(copied), colours.study()
    stems = (
        "abstention", "category-errors", "comparison", "confusion-fused", "confusion-image", "confusion-text",
        "examples", "learning-curves-1", "reliability", "stability", "sweep-1", "text-vs-image-recorded",
    )  # fmt: skip
    gained = len(FUSED) + 1
    published = {"compare_all": gained, "information": 1, **dict.fromkeys(stems, 1)}
    assert counted(study, paths).items() <= published.items()
    assert counted(study, paths) == {}
    assert counted(colours.study("fusion.weights=6"), paths) == {"sweep-1": 1}
    assert counted(study, paths) == {"sweep-1": 1}  # a figure is kept as it is, not as it once was
    more = TextChoice("second", Tfidf(min_df=1, penalty=1e-2))
    cost = counted(replace(study, text_classifiers=(*study.text_classifiers, more)), paths)
    fits = {name: cost.pop(name, 0) for name in ("fit_words", "fit_images", "fit_feature_fusion", "compare_all")}
    assert fits == {"fit_words": 2, "fit_images": 0, "fit_feature_fusion": 0, "compare_all": gained}
    assert [cost.pop(name) for name in ("calibrate", "fit_logits", "fit_stacking")] == [2, 2, 2]
    assert cost.pop("fit_temperature") <= 2  # and none where it says what another said
    assert cost.pop("fit_distilled", 0) <= 2
    assert cost.pop("mean_interval", 0) <= 1 + gained
    assert {"comparison", "stability", "sweep-1"} <= {*cost} <= {*stems, "information"}
    assert counted(replace(study, text_classifiers=(*study.text_classifiers, more)), paths) == {}


def test_a_run_that_broke_off_resumes_where_it_stopped(first, colours, tmp_path, monkeypatch):
    fit, fitted = jobs.fit_words, []

    def breaking(*given):
        if fitted:
            raise KeyboardInterrupt
        fitted.append(1)
        return fit(*given)

    monkeypatch.setattr(jobs, "fit_words", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(colours.study(), colours.paths(tmp_path))
    monkeypatch.setattr(jobs, "fit_words", fit)
    found = run(colours.study(), colours.paths(tmp_path))
    assert made(found) == FITTED | {"text": 1}
    assert [o.metrics for o in found.systems] == [o.metrics for o in first[0].systems]


def test_near_duplicates_across_fixed_splits_are_refused_or_reported(tmp_path, undrawn):
    study, paths = fixed(tmp_path, twin=True)
    with pytest.raises(DataError, match=r"tested on: .*twin\.png and .*red0\.png: 0 of 64 bits differ.*allow-leakage"):
        run(study, paths)
    found = run(study, paths, allow_leakage=True)
    assert [leak.bits for leak in found.leaks] == [0]
    publish(found, paths.folder)
    assert any(
        "Leakage was allowed: 1 test images have near-duplicates" in part for part in undrawn if isinstance(part, str)
    )
    dropped = run(replace(study, folds=replace(study.folds, drop_leaks=True)), paths)
    assert dropped.leaks == ()
    assert len(dropped.trials[0].fold.train) == len(found.trials[0].fold.train) - 1


def test_a_captioner_trained_on_the_test_split_is_refused_or_reported(tmp_path, undrawn):
    study, paths = fixed(tmp_path)
    (captioner,) = study.captioners
    study = replace(study, captioners=(replace(captioner, trained_on=("train", "dev")),))
    with pytest.raises(UsageError, match=r"recorded was trained on split dev, which is tested here.*allow-leakage"):
        run(study, paths)
    publish(run(study, paths, allow_leakage=True), paths.folder)
    assert any(
        "Leakage was allowed: recorded was trained on split dev" in part for part in undrawn if isinstance(part, str)
    )
    alright = replace(study, captioners=(replace(captioner, trained_on=("train",)),))
    undrawn.clear()
    publish(run(alright, paths), paths.folder)
    assert not any("Leakage was allowed" in part for part in undrawn if isinstance(part, str))


def fixed(root, twin=False):
    """Captions alone, of images in split folders; with a twin, one training image is tested as well."""
    captions = {}
    for split, start in (("train", 0), ("dev", 6)):
        for number, label in enumerate(("red", "green")):
            folder = root / "data" / "sets" / split / label
            folder.mkdir(parents=True)
            for n in range(start, start + 6):
                (folder / f"{label}{n}.png").write_bytes(cases.image((number, n)))
                captions[f"{label}{n}.png"] = f"{cases.WORDS[label]} {n}"
    if twin:
        shutil.copy(root / "data/sets/train/red/red0.png", root / "data/sets/dev/red/twin.png")
        captions["twin.png"] = "a warm fire"
    (root / "c.csv").write_text("\n".join(["source,caption", *(f"{name},{text}" for name, text in captions.items())]))
    sources = cases.settings.from_table({"sources": [{"path": "sets"}]}, Data, "data")
    captioners = cases.settings.from_table(
        {"name": "x", "data": {"sources": []}, "captioners": [
            {"name": "recorded", "kind": "recorded", "model": str(root / "c.csv")}]}, Study, "study",
    ).captioners  # fmt: skip
    texts = (TextChoice("bag", Tfidf(min_df=1, penalty=1e-3)),)
    study = Study("splits", sources, folds=Folds("fixed", inner=2), captioners=captioners, text_classifiers=texts)
    return study, cases.Colours(root).paths(root / "out")


@pytest.mark.slow
def test_the_command_goes_from_the_file_to_the_page(first, copied, colours, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("imagist.training.logs.logged", lambda path: None)
    monkeypatch.chdir(colours.root)
    command = ["study", str(colours.config), "--data", str(colours.data), "--folder", str(copied)]
    assert main(command) == 0
    page = copied / "report.html"
    assert capsys.readouterr().out.strip() == str(page)
    html = page.read_text("utf-8")
    for said in (
        "<h1>colours</h1>",
        "Do captions name colours?",
        "recorded &gt; bag + linear (features)",
        "min_df = 1",
    ):
        assert said in html
    rows = pq.read_table(copied / "results.parquet").num_rows, pq.read_table(copied / "predictions.parquet").num_rows
    assert rows == (7 * 2, 7 * 36)
    assert {file.suffix for file in (copied / "figures").iterdir()} == {".png", ".svg", ".drawn"}
