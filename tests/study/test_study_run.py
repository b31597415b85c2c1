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
from imagist.report.studies import figures
from imagist.report.studies import publish as publishing
from imagist.report.studies.publish import publish
from imagist.study import jobs, joining, results
from imagist.study.config import Data, Folds, Study, TextChoice
from imagist.study.run import run
from imagist.training.classifiers.text import Bag

pytestmark = pytest.mark.torch

FUSED = ("score", "logit", "stacking", "features")
ONCE = {"duplicates": 1, "captions": 1}
FITTED = dict.fromkeys(("words", "image", "score", "logit", "stacking", "features", "distilled"), 2)  # in two trials


def made(found, *kinds):
    """How many of what was computed, without the temperatures and intervals that come with everything."""
    return {kind: number for kind, number in found.computed.items() if kind not in ("temperature", "accuracy", *kinds)}


@pytest.fixture(scope="module")
def first(colours):
    """The outcome of a first run, and its folder."""
    folder = colours.root / "first"
    return run(colours.study(), colours.places(folder)), folder


@pytest.fixture
def copied(first, tmp_path):
    """The folder of the first run, to go on in."""
    return shutil.copytree(first[1], tmp_path / "again")


def written(found, folder):
    """The bytes of all tables."""
    publish(found, folder)
    return {name: (folder / name).read_bytes() for name in ("results.parquet", "predictions.parquet", "tables.md")}


def test_every_system_judges_every_image_once(first):
    found, _ = first
    assert [o.system.name for o in found.outcomes] == [
        "told > bag", "linear", *(f"told > bag + linear ({kind})" for kind in FUSED),
        "linear taught by told > bag (score)",
    ]  # fmt: skip
    assert len(found.data.examples) == 3 * cases.EACH
    for each in found.outcomes:
        assert each.right.shape == (1, 36)
        assert [len(j.test) for j in each.joined] == [18, 18]
        np.testing.assert_allclose(each.probabilities.sum(axis=1), 1, atol=1e-5)
    assert sorted(row for t in found.trials for row in t.fold.test) == list(range(36))
    assert made(found) == ONCE | FITTED


def test_captions_are_those_of_the_images(first):
    found, _ = first
    for example, said in zip(found.data.examples, found.captions["told"], strict=True):
        number = int("".join(filter(str.isdigit, example.image.rsplit("/", 1)[1])))
        assert said.endswith(f"number {number}")
        assert (cases.WORDS[example.label] in said) == (number % 4 != 3)


def test_each_source_tells_what_it_can(first):
    accuracy = {o.system.name: o.accuracy.value for o in first[0].outcomes}
    assert 0.6 <= accuracy["linear"] <= 5 / 6  # every sixth is of another colour
    assert 0.6 <= accuracy["told > bag"] <= 3 / 4  # every fourth speaks for another class
    assert accuracy["told > bag + linear (score)"] >= accuracy["linear"]
    assert accuracy["linear taught by told > bag (score)"] >= 0.6
    histories = {system.name: [len(said.history) for of in opinions for said in of.fits]
                 for system, opinions in first[0].opinions.items()}  # fmt: skip
    assert histories == {"told > bag": [0, 0], "linear": [2, 2]}


def test_the_ends_of_the_sweep_are_the_single_systems(first):
    by_name = {o.system.name: o for o in first[0].outcomes}
    for number, joined in enumerate(by_name["told > bag + linear (score)"].joined):
        assert len(joined.sweep) == 5
        assert joined.sweep[0] == by_name["linear"].figures[number].accuracy
        assert joined.sweep[-1] == by_name["told > bag"].figures[number].accuracy


def test_a_second_run_computes_nothing_and_writes_the_same(first, copied, colours, undrawn):
    found, folder = first
    again = run(colours.study(), colours.places(copied))
    assert again.computed == {}
    assert written(again, copied) == written(found, folder)


def test_one_more_weight_computes_nothing(first, copied, colours):
    found = run(colours.study("fusion.weights=9"), colours.places(copied))
    assert found.computed == {}
    for new, old in zip(found.outcomes[2].joined, first[0].outcomes[2].joined, strict=True):
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
    assert made(run(colours.study(override), colours.places(copied))) == new


def test_another_classifier_of_words_costs_only_itself_and_leaves_the_others(first, copied, colours):
    study = colours.study("fusion.distilled=false")
    more = TextChoice("second", Bag(least=1, penalty=1e-2))
    found = run(replace(study, text_classifiers=(*study.text_classifiers, more)), colours.places(copied))
    assert made(found) == dict.fromkeys(
        ("words", "score", "logit", "stacking"), 2
    )  # their features are those of the first
    by_name = {o.system.name: o for o in found.outcomes}
    assert len(by_name) == 1 + 2 * (1 + len(FUSED))
    for each in first[0].outcomes[:-1]:
        assert by_name[each.system.name].figures == each.figures


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
    plain = "fusion.distilled=false", "fusion.kinds=['score']", *(["image_classifiers=[]"] if change == "label" else [])
    found = run(other.study(*plain), other.places(copied))
    depends = {"captions": {"words": 2}, "image": {"duplicates": 1, "image": 2}, "label": {"words": 2}}
    assert made(found, "score") == {"captions": 1} | depends[change]
    assert (found.computed.get("score", 0) > 0) == (change != "label")  # none where both say what they said


@pytest.fixture
def counted(monkeypatch):
    """Figures are files of nothing, there is no page; gives what was fitted, drawn at random and made of figures."""
    seen = Counter()

    def watch(module, name, told=None):
        whole = getattr(module, name)

        def noted(*given, **named):
            seen[told or name] += 1
            return whole(*given, **named)

        monkeypatch.setattr(module, name, noted)

    def figure(data, stem, **named):
        seen[stem.name] += 1
        for suffix in (".png", ".svg"):
            stem.with_name(stem.name + suffix).touch()

    for module, names in (
        (jobs, ("fit_words", "fit_images")),
        (
            joining,
            ("calibrate", "fit_logits", "fit_stacking", "fit_feature_fusion", "fit_distilled", "fit_temperature"),
        ),
        (results, ("mean_interval", "compare_all")),
        (publishing, ("information",)),
    ):
        for name in names:
            watch(module, name)
    for name in [each for each in vars(figures) if each.startswith("draw_") and each != "draw_once"]:
        monkeypatch.setattr(figures, name, figure)
    monkeypatch.setattr(publishing, "draw_examples", figure)
    monkeypatch.setattr(publishing, "write_page", lambda page, *given, **named: None)

    def counts(study, places):
        seen.clear()
        publish(run(study, places), places.folder)
        return dict(seen)

    return counts


def test_what_is_there_costs_nothing_and_a_new_row_only_itself(colours, copied, counted):
    places, study = colours.places(copied), colours.study()
    stems = (
        "abstention", "categories", "comparison", "confusion-fused", "confusion-image", "confusion-words", "curves-1",
        "examples", "information-told", "reliability", "stability", "sweep-1",
    )  # fmt: skip
    gained = len(FUSED) + 1
    published = {"compare_all": gained, "information": 1, **dict.fromkeys(stems, 1)}
    assert counted(study, places).items() <= published.items()
    assert counted(study, places) == {}
    assert counted(colours.study("fusion.weights=6"), places) == {"sweep-1": 1}
    assert counted(study, places) == {"sweep-1": 1}  # a figure is kept as it is, not as it once was
    more = TextChoice("second", Bag(least=1, penalty=1e-2))
    cost = counted(replace(study, text_classifiers=(*study.text_classifiers, more)), places)
    fits = {name: cost.pop(name, 0) for name in ("fit_words", "fit_images", "fit_feature_fusion", "compare_all")}
    assert fits == {"fit_words": 2, "fit_images": 0, "fit_feature_fusion": 0, "compare_all": gained}
    assert [cost.pop(name) for name in ("calibrate", "fit_logits", "fit_stacking")] == [2, 2, 2]
    assert cost.pop("fit_temperature") <= 2  # and none where it says what another said
    assert cost.pop("fit_distilled", 0) <= 2
    assert cost.pop("mean_interval", 0) <= 1 + gained
    assert {"comparison", "stability", "sweep-1"} <= {*cost} <= {*stems, "information"}
    assert counted(replace(study, text_classifiers=(*study.text_classifiers, more)), places) == {}


def test_a_run_that_broke_off_goes_on_where_it_stood(first, colours, tmp_path, monkeypatch):
    fit, fitted = jobs.fit_words, []

    def breaking(*given):
        if fitted:
            raise KeyboardInterrupt
        fitted.append(1)
        return fit(*given)

    monkeypatch.setattr(jobs, "fit_words", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(colours.study(), colours.places(tmp_path))
    monkeypatch.setattr(jobs, "fit_words", fit)
    found = run(colours.study(), colours.places(tmp_path))
    assert made(found) == FITTED | {"words": 1}
    assert [o.figures for o in found.outcomes] == [o.figures for o in first[0].outcomes]


def test_near_duplicates_across_fixed_splits_are_refused_or_told(tmp_path, undrawn):
    study, places = fixed(tmp_path, twin=True)
    with pytest.raises(DataError, match=r"tested on: .*twin\.png and .*red0\.png: 0 of 64 bits differ.*allow-leakage"):
        run(study, places)
    found = run(study, places, allow_leakage=True)
    assert [leak.bits for leak in found.leaks] == [0]
    publish(found, places.folder)
    assert any("Leakage was allowed: 1 near-duplicates" in part for part in undrawn if isinstance(part, str))
    dropped = run(replace(study, folds=replace(study.folds, drop_leaks=True)), places)
    assert dropped.leaks == ()
    assert len(dropped.trials[0].fold.train) == len(found.trials[0].fold.train) - 1


def test_a_captioner_that_has_learnt_from_what_is_judged_is_refused_or_told(tmp_path, undrawn):
    study, places = fixed(tmp_path)
    (told,) = study.captioners
    study = replace(study, captioners=(replace(told, seen=("train", "dev")),))
    with pytest.raises(UsageError, match=r"told has learnt from split dev, which is judged here.*allow-leakage"):
        run(study, places)
    publish(run(study, places, allow_leakage=True), places.folder)
    assert any(
        "Leakage was allowed: told has learnt from split dev" in part for part in undrawn if isinstance(part, str)
    )
    alright = replace(study, captioners=(replace(told, seen=("train",)),))
    undrawn.clear()
    publish(run(alright, places), places.folder)
    assert not any("Leakage was allowed" in part for part in undrawn if isinstance(part, str))


def fixed(root, twin=False):
    """Words alone, of images in split folders; with a twin, one that is trained on is judged as well."""
    told = {}
    for split, start in (("train", 0), ("dev", 6)):
        for number, label in enumerate(("red", "green")):
            folder = root / "data" / "sets" / split / label
            folder.mkdir(parents=True)
            for n in range(start, start + 6):
                (folder / f"{label}{n}.png").write_bytes(cases.image((number, n)))
                told[f"{label}{n}.png"] = f"{cases.WORDS[label]} {n}"
    if twin:
        shutil.copy(root / "data/sets/train/red/red0.png", root / "data/sets/dev/red/twin.png")
        told["twin.png"] = "a warm fire"
    (root / "c.csv").write_text("\n".join(["source,caption", *(f"{name},{said}" for name, said in told.items())]))
    sources = cases.settings.from_table({"sources": [{"path": "sets"}]}, Data, "data")
    captioners = cases.settings.from_table(
        {"name": "x", "data": {"sources": []}, "captioners": [
            {"name": "told", "kind": "recorded", "model": str(root / "c.csv")}]}, Study, "study",
    ).captioners  # fmt: skip
    texts = (TextChoice("bag", Bag(least=1, penalty=1e-3)),)
    study = Study("splits", sources, folds=Folds("fixed", inner=2), captioners=captioners, text_classifiers=texts)
    return study, cases.Colours(root).places(root / "out")


@pytest.mark.slow
def test_the_command_goes_from_the_file_to_the_page(first, copied, colours, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("imagist.cli.train.logged", lambda path: None)
    monkeypatch.chdir(colours.root)
    command = ["study", str(colours.config), "--data", str(colours.data), "--folder", str(copied)]
    assert main(command) == 0
    page = copied / "report.html"
    assert capsys.readouterr().out.strip() == str(page)
    told = page.read_text("utf-8")
    for said in ("<h1>colours</h1>", "Do words tell colours?", "told &gt; bag + linear (features)", "least = 1"):
        assert said in told
    rows = pq.read_table(copied / "results.parquet").num_rows, pq.read_table(copied / "predictions.parquet").num_rows
    assert rows == (7 * 2, 7 * 36)
    assert {file.suffix for file in (copied / "figures").iterdir()} == {".png", ".svg", ".drawn"}
