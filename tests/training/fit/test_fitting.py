"""From labelled images to a model that `imagist.load` opens."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import coloured_examples as coloured
import imagist
from imagist.bundle import open_bundle, trained_on
from imagist.classifiers.image.linear import LinearClassifier
from imagist.datasets.labels import Example
from imagist.datasets.source import Source
from imagist.errors import DataError, UsageError
from imagist.images import as_photo
from imagist.training.fit import fitting
from imagist.training.fit.fitting import fit
from imagist.training.fit.settings import CaptionerSettings, EncoderHead, FitSettings, FromNames


def settings_of(path, **changes):
    return replace(FitSettings(sources=(Source(str(path)),)), **changes)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A model of two colours, six images each, with what was reported."""
    root = tmp_path_factory.mktemp("fitted")
    coloured.write_folders(root / "images")
    return root, fit(settings_of(root / "images", description="two colours"), root / "mine")


def test_the_model_is_opened_as_an_equal_pipeline(fitted):
    root, result = fitted
    opened = imagist.load(root / "mine", threads=1)
    assert opened.id == result.pipeline.id
    images = sorted((root / "images").rglob("*.png"))
    predictions = list(opened(images))
    assert [p.label for p in predictions] == [path.parent.name for path in images]
    for own, again in zip(result.pipeline(images), predictions, strict=True):
        np.testing.assert_allclose(own.probabilities, again.probabilities, atol=1e-6)
        assert own.caption.text == again.caption.text


def test_the_card_says_what_was_measured_and_on_what(fitted):
    root, _ = fitted
    card = tomllib.loads((root / "mine" / "card.toml").read_text())
    assert (card["name"], card["description"]) == ("mine", "two colours")
    assert card["data"]["classes"] == {"blue": 6, "red": 6}
    assert card["measured"]["on"] == "cross-validation"
    assert card["measured"]["images"] == 12
    accuracy = card["measured"]["accuracy"]["image"]
    assert accuracy["low"] < accuracy["value"] <= accuracy["high"]
    assert accuracy["high"] - accuracy["low"] > 0.15  # twelve images say little, and the interval shows it
    assert {*card["parts"]} == {
        "encoder", "captioner", "text_classifier", "image_classifier", "fusion", "calibration", "matcher"
    }  # fmt: skip  # of six images a label, a layer that starts from "red" and "blue" is the better one


def test_the_model_says_which_images_it_and_its_captioner_learnt_from(fitted):
    root, result = fitted
    known = {*trained_on(root / "mine").tolist()}
    assert known == {*result.examples.hashes.tolist(), *trained_on("embedded").tolist()}


def test_a_fit_repeats_itself(fitted, tmp_path):
    root, result = fitted
    again = fit(settings_of(root / "images", description="two colours"), tmp_path / "mine")
    assert again.pipeline.id == result.pipeline.id
    assert open_bundle(tmp_path / "mine").version == open_bundle(root / "mine").version


def test_another_weight_gets_the_temperature_fitted_to_it(fitted):
    root, result = fitted
    calibration = result.pipeline.calibration
    assert len(calibration.by_weight) > 2
    ends = [imagist.load(root / "mine", weight=w, threads=1).calibration.of_fused.value for w in (0.0, 1.0)]
    assert ends == pytest.approx([calibration.by_weight[0], calibration.by_weight[-1]])


def test_one_image_a_label_moves_the_names_and_is_refused_without_them(tmp_path):
    coloured.write_folders(tmp_path / "images", 1)
    with pytest.raises(DataError, match="--from-names"):
        fit(settings_of(tmp_path / "images"), tmp_path / "mine")
    start = FromNames()
    result = fit(settings_of(tmp_path / "images", text_classifier=start, image_classifier=start), tmp_path / "mine")
    opened = imagist.load(tmp_path / "mine", threads=1)
    assert opened.id == result.pipeline.id
    images = sorted((tmp_path / "images").rglob("*.png"))
    assert [prediction.image_label for prediction in opened(images)] == ["blue", "red"]  # the captions are the same


def test_names_are_not_tried_where_they_are_not_asked_for(tmp_path):
    coloured.write_folders(tmp_path / "images")
    result = fit(settings_of(tmp_path / "images", image_classifier=EncoderHead(names_up_to=0)), tmp_path / "mine")
    assert isinstance(result.pipeline.image_classifier, LinearClassifier)
    assert not open_bundle(tmp_path / "mine").has("matcher")


def test_images_that_are_only_measured_on_do_not_count_as_many(tmp_path):
    path = coloured.write_table(tmp_path, 8, split=lambda label, number: "test" if number > 2 else "train")
    few = EncoderHead(names_up_to=3)
    assert fit(settings_of(path, image_classifier=few), tmp_path / "few").pipeline.image_classifier.id.startswith(
        "matched"
    )
    start = FromNames()  # the matcher of the texts is no reason to try names of images
    settings = settings_of(path, text_classifier=start, image_classifier=EncoderHead(names_up_to=2))
    assert isinstance(fit(settings, tmp_path / "mine").pipeline.image_classifier, LinearClassifier)


def test_two_matchers_are_refused(tmp_path):
    coloured.write_folders(tmp_path / "images")
    one, other = FromNames(), FromNames(model=str(tmp_path))
    with pytest.raises(UsageError, match="one matcher"):
        fit(settings_of(tmp_path / "images", text_classifier=other, image_classifier=one), tmp_path / "mine")


@pytest.mark.parametrize("kind", ["logit", "stacking"])
def test_other_fusions_are_saved_and_opened(fitted, tmp_path, kind):
    root, _ = fitted
    result = fit(settings_of(root / "images", fusion=kind), tmp_path / kind)
    opened = imagist.load(tmp_path / kind, threads=1)
    assert opened.id == result.pipeline.id
    assert kind in opened.fusion.id


def test_a_test_split_is_measured_and_its_copies_are_not_learnt_from(tmp_path):
    path = coloured.write_table(tmp_path, 8, split=lambda label, number: "test" if number > 4 else "train")
    (tmp_path / "red" / "red4.png").write_bytes((tmp_path / "red" / "red7.png").read_bytes())
    lines = path.read_text().splitlines()
    result = fit(settings_of(path), tmp_path / "mine")
    assert (result.test, result.measured.images) == ("test", 6)
    assert result.duplicates >= 1
    assert len(result.examples) == len(lines) - 1 - 6 - result.duplicates


def test_given_captions_are_read_and_kept(tmp_path):
    path = coloured.write_table(tmp_path, caption=lambda label, number: f"a {label} thing, number {number}")
    captioner = CaptionerSettings(kind="recorded")
    result = fit(settings_of(path, captioner=captioner, weight=1.0), tmp_path / "mine")
    assert result.examples.captions[0].startswith("a blue thing")
    (prediction,) = imagist.load(tmp_path / "mine", threads=1)([str(tmp_path / "red" / "red0.png")])
    assert (prediction.caption.text, prediction.label) == ("a red thing, number 0", "red")


def test_an_image_that_cannot_be_read_costs_itself_alone(tmp_path):
    coloured.write_folders(tmp_path / "images")
    (tmp_path / "images" / "red" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    result = fit(settings_of(tmp_path / "images"), tmp_path / "mine")
    assert len(result.examples) == 12
    ((name, error),) = result.examples.failed.items()
    assert name.endswith("broken.png")
    assert error.kind == "corrupt_image"


def test_a_cache_saves_the_captions(fitted, tmp_path, monkeypatch):
    root, result = fitted
    fit(settings_of(root / "images"), tmp_path / "a", cache=tmp_path / "captions.db")
    from imagist.captioning.backends.stepwise import StepwiseCaptioner

    monkeypatch.setattr(StepwiseCaptioner, "caption", lambda *_: pytest.fail("captioned again"))
    again = fit(settings_of(root / "images"), tmp_path / "b", cache=tmp_path / "captions.db")
    assert again.examples.captions == result.examples.captions


@pytest.mark.parametrize(
    ("each", "labels", "message"),
    [({"blue": 6, "red": 1}, None, "fewer than 2 usable images .*: red"), ({"blue": 6}, None, "every image has")],
)
def test_too_little_to_learn_from_is_named(tmp_path, each, labels, message):
    for label, number in each.items():
        coloured.write_folders(tmp_path / "images", number, (label,))
    with pytest.raises(DataError, match=message) as caught:
        fit(settings_of(tmp_path / "images"), tmp_path / "mine")
    assert caught.value.remedy
    assert not (tmp_path / "mine").exists()


def test_a_class_that_is_only_tested_is_named(tmp_path):
    path = coloured.write_table(
        tmp_path,
        labels=("blue", "green", "red"),
        split=lambda label, n: "test" if label == "green" or n > 4 else "train",
    )
    with pytest.raises(DataError, match="no training image has: green"):
        fit(settings_of(path), tmp_path / "mine")


def test_splits_are_known_in_any_case():
    items = [Example("a", "x", split="Train"), Example("b", "x", split="TEST"), Example("c", "x", split="Dev")]
    assert fitting._test_split(items, settings_of("x")) == "TEST"
    assert fitting._test_split(items, settings_of("x", test="DEV")) == "Dev"
    train, held_out = fitting._splits(items, "TEST", settings_of("x"))
    assert (train.tolist(), held_out.tolist()) == ([True, False, False], [False, True, False])


def test_a_split_that_is_not_there_is_named(tmp_path):
    coloured.write_folders(tmp_path / "images")
    with pytest.raises(DataError, match="no split 'dev'"):
        fit(settings_of(tmp_path / "images", test="dev"), tmp_path / "mine")


def test_a_table_without_captions_is_refused_where_they_are_wanted(tmp_path):
    path = coloured.write_table(tmp_path)
    with pytest.raises(DataError, match="12 images have no caption"):
        fit(settings_of(path, captioner=CaptionerSettings(kind="recorded")), tmp_path / "mine")


def test_settings_of_an_unknown_classifier_are_refused(tmp_path):
    coloured.write_folders(tmp_path / "images")
    with pytest.raises(UsageError, match="text_classifier"):
        fit(settings_of(tmp_path / "images", text_classifier={"kind": "nothing"}), tmp_path / "mine")


@pytest.mark.data
def test_photos15_is_learnt(data, tmp_path):
    """The bar: fused 95.5% on dev. A fifth of train and of dev keeps the test short."""
    from imagist.datasets.labels import read_all

    items = read_all([Source(str(data / "photos15.parquet"))])
    train, dev = ([item for item in items if item.split == split] for split in ("train", "dev"))
    result = fit(FitSettings(name="photos15"), tmp_path / "mine", items=[*train[::5], *dev[::5]])
    assert result.measured.accuracy["fused"].value >= 0.92
    assert result.measured.calibration_error <= 0.05


def test_weights_count_in_the_classifiers_and_in_calibration(fitted, tmp_path):
    path = coloured.write_table(tmp_path, sample_weight=lambda label, number: 4 if label == "red" else 0.5)
    weighted = fit(settings_of(path), tmp_path / "mine").pipeline
    plain = fitted[1].pipeline
    assert weighted.image_classifier.id != plain.image_classifier.id
    assert weighted.text_classifier.id != plain.text_classifier.id
    between = [as_photo(coloured.image_of("green", number)) for number in range(12)]
    of_red = [float(each.image_classifier.scores(between)[:, 1].mean()) for each in (weighted, plain)]
    assert of_red[0] > of_red[1]  # the bias of the classes follows their weights


@pytest.mark.parametrize(
    "part", [{"fusion": "logit"}, {"text_classifier": SimpleNamespace(kind="transformer")}], ids=["fusion", "text"]
)
def test_weights_that_a_part_cannot_use_are_refused_at_once(tmp_path, part):
    path = coloured.write_table(tmp_path, sample_weight=lambda label, number: 1 + number)
    with pytest.raises(UsageError, match="images with weights cannot be used by"):
        fit(settings_of(path, **part), tmp_path / "mine")


def test_each_taxonomy_gets_its_weight_and_temperatures(tmp_path):
    coloured.write_folders(tmp_path / "images", 4, ("blue", "green", "red"))
    own = tmp_path / "warmth.toml"
    own.write_text('[labels]\nwarm = ["red"]\ncold = ["blue", "green"]\n')
    result = fit(settings_of(tmp_path / "images", taxonomies=(str(own),)), tmp_path / "mine")
    plain = imagist.load(tmp_path / "mine", threads=1)
    warm = imagist.load(tmp_path / "mine", taxonomy=own, threads=1)
    assert plain.id == result.pipeline.id
    assert warm.labels.names == ("warm", "cold")
    assert warm.fusion == plain.fusion.others["warmth"]
    assert warm.calibration.by_weight == plain.calibration.others["warmth"].by_weight != plain.calibration.by_weight
    plain.save(tmp_path / "again", "again")
    assert imagist.load(tmp_path / "again", taxonomy=own, threads=1).id == warm.id


def test_from_names_and_several_encoders_is_refused(fitted, tmp_path):
    root, _ = fitted
    settings = settings_of(root / "images", encoders=("embedded", "lite"), image_classifier=FromNames())
    with pytest.raises(UsageError, match="serves one encoder"):
        fit(settings, tmp_path / "mine")


def test_each_encoder_of_the_space_gives_examples_and_serves_the_model(fitted, tmp_path):
    root, _ = fitted
    result = fit(settings_of(root / "images", encoders=("embedded", "embedded")), tmp_path / "mine")
    assert (len(result.examples), result.measured.images) == (12, 12)
    assert result.pipeline.image_classifier.space == result.pipeline.image_classifier.encoder.space is not None
    assert imagist.load(tmp_path / "mine", threads=1, encoder="embedded").id == result.pipeline.id
