"""Photos to predictions: with parts that say what they are told, then with the shipped model."""

from __future__ import annotations

import io
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import imagist
import space_models
from imagist.bundle import SHIPPED, open_bundle
from imagist.classifiers.calibration import Temperature, TemperatureCalibration
from imagist.classifiers.fusion import ScoreFusion
from imagist.classifiers.taxonomy import Taxonomy, built_in, identity
from imagist.errors import BundleError, BundleNotFound, ImagistError, UnknownName, UsageError
from imagist.images import VIEWS
from imagist.matching.zero_shot import NONE
from imagist.pipeline import Pipeline, load
from imagist.records import Caption, Failure, LabelSet, Photo, Row

FINE = LabelSet(("cat", "dog", "car"))
PETS = Taxonomy("pets", LabelSet(("pet", "machine")), {"pet": ("cat", "dog"), "machine": ("car",)})


class Recites:
    """Says the first pixel's red, green and blue, as words and as scores."""

    id = "recites"
    labels = FINE
    concurrent = True

    def caption(self, photos):
        return [Caption(" ".join(map(str, photo.pixels[0, 0])), -1.0) for photo in photos]

    def scores(self, items):
        rows = [item.split() if isinstance(item, str) else item.pixels[0, 0] for item in items]
        table = np.array(rows, np.float32).reshape(len(items), 3)
        if items and isinstance(items[0], str):
            table = table[:, ::-1]
        return (table / table.sum(1, keepdims=True)).astype(np.float32)


def made(**changes):
    part = Recites()
    return replace(Pipeline(part, part, part, identity(FINE), ScoreFusion(0.25)), **changes)


def fused_at(temperature):
    return TemperatureCalibration(of_fused=Temperature(temperature))


def coloured(*color):
    return Photo(np.full((2, 2, 3), color, np.uint8), str(color))


def test_opinions_are_kept_and_joined():
    (prediction,) = made().predict([coloured(60, 30, 10)])
    np.testing.assert_allclose(prediction.image_probabilities, [0.6, 0.3, 0.1], atol=1e-6)
    np.testing.assert_allclose(prediction.text_probabilities, [0.1, 0.3, 0.6], atol=1e-6)
    np.testing.assert_allclose(prediction.probabilities, [0.475, 0.3, 0.225], atol=1e-6)
    assert (prediction.label, prediction.image_label, prediction.text_label) == ("cat", "cat", "car")
    assert prediction.caption.text == "60 30 10"
    assert prediction.source == "(60, 30, 10)"


def test_fine_classes_become_categories_before_they_are_joined():
    (prediction,) = made(taxonomy=PETS).predict([coloured(60, 30, 10)])
    np.testing.assert_allclose(prediction.image_probabilities, [0.9, 0.1], atol=1e-6)
    np.testing.assert_allclose(prediction.probabilities, [0.775, 0.225], atol=1e-6)
    assert prediction.labels == PETS.labels


def test_the_temperature_sharpens_the_joint_opinion_only():
    (plain,), (sharp,) = (made(calibration=fused_at(t)).predict([coloured(60, 30, 10)]) for t in (1.0, 0.5))
    np.testing.assert_allclose(sharp.probabilities, plain.probabilities**2 / (plain.probabilities**2).sum(), atol=1e-6)
    np.testing.assert_array_equal(sharp.image_probabilities, plain.image_probabilities)


@pytest.mark.parametrize(("threshold", "label"), [(0.0, "cat"), (0.47, "cat"), (0.48, None), (1.0, None)])
def test_below_the_threshold_nothing_is_named(threshold, label):
    (prediction,) = made(abstain_below=threshold).predict([coloured(60, 30, 10)])
    assert prediction.label == label
    assert prediction.abstained is (label is None)


def test_no_photos_give_no_predictions():
    assert made().predict([]) == []
    assert list(made()([])) == []


def test_classifiers_of_different_classes_do_not_go_together():
    other = Recites()
    other.labels = LabelSet(("cat", "dog", "bus"))
    with pytest.raises(UsageError, match="different labels: cat, dog, car; cat, dog, bus"):
        made(image_classifier=other)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_probability(threshold):
    with pytest.raises(UsageError, match="abstain_below"):
        made(abstain_below=threshold)


def test_a_taxonomy_over_other_classes_stops_the_run_and_names_them():
    stranger = Taxonomy("farm", LabelSet(("animal",)), {"animal": ("cow", "hen")})
    with pytest.raises(UsageError, match=r"cow.*hen"):
        list(made(taxonomy=stranger)([coloured(1, 2, 3)]))


def test_the_id_changes_with_every_setting():
    other = Recites()
    other.id = "other"
    moved = Taxonomy("pets", PETS.labels, {"pet": ("cat",), "machine": ("dog", "car")})
    changes = [
        {},
        {"captioner": other},
        {"text_classifier": other},
        {"image_classifier": other},
        {"taxonomy": PETS},
        {"taxonomy": moved},
        {"fusion": ScoreFusion(0.5)},
        {"calibration": fused_at(2.0)},
        {"abstain_below": 0.5},
    ]
    assert len({made(**change).id for change in changes}) == len(changes)
    assert made().id == made(concurrency=4).id


def test_a_part_that_fails_on_one_photo_costs_one_photo():
    class Moody(Recites):
        def caption(self, photos):
            if any(photo.pixels[0, 0, 0] == 0 for photo in photos):
                raise RuntimeError("too dark")
            return super().caption(photos)

    images = [coloured(red, 1, 1) for red in (1, 0, 2)]
    before, failed, after = made(captioner=Moody())(images)
    assert isinstance(failed, Failure)
    assert failed.error.kind == "model_failed"
    assert (before.source, after.source) == ("(1, 1, 1)", "(2, 1, 1)")


def test_images_are_taken_one_batch_after_another():
    taken = []

    def images():
        for red in range(1, 200):
            taken.append(red)
            yield coloured(red, 1, 1)

    results = made()(images(), batch_size=4)
    next(results)
    assert len(taken) < 60
    results.close()


# ------------------------------------------------------------------------------------------------- the shipped model


@pytest.mark.parametrize(("weight", "single"), [(0.0, "image_probabilities"), (1.0, "text_probabilities")])
def test_at_either_end_of_the_weight_one_opinion_rules(photos, weight, single):
    alone = load(threads=1, weight=weight)
    for prediction in alone.predict(photos[:4]):
        expected = alone.calibration.fused(getattr(prediction, single)[None])[0]
        np.testing.assert_array_equal(prediction.probabilities, expected)
        assert prediction.label == prediction.labels.names[int(getattr(prediction, single).argmax())]


@pytest.mark.parametrize("name", ["photos15", "sns4", "social12"])
def test_built_in_taxonomies(photos, name):
    chosen = load(threads=1, taxonomy=name)
    assert chosen.labels.names == (*built_in(name).labels, NONE)
    for prediction in chosen.predict(photos[:4]):
        assert prediction.label in chosen.labels.names
        for row in (prediction.probabilities, prediction.image_probabilities, prediction.text_probabilities):
            assert row.dtype == np.float32
            assert row.sum() == pytest.approx(1, abs=1e-5)


def test_a_taxonomy_of_your_own(photos, tmp_path):
    file = tmp_path / "living.toml"
    file.write_text('[labels]\nliving = ["cat", "dog", "bird"]\nother = ["car", "sky"]\n')
    chosen = load(threads=1, taxonomy=file)
    assert chosen.taxonomy.name == "living"
    for prediction in chosen.predict(photos[:2]):
        assert prediction.label in {"living", "other", NONE}
    assert load(threads=1, taxonomy=str(file)).id == chosen.id


@pytest.mark.parametrize("views", VIEWS)
def test_ways_of_looking(photos, views):
    chosen = load(threads=1, views=views)
    assert f"views={views}" in chosen.id
    assert all(prediction.caption.text for prediction in chosen.predict(photos[:5]))


def test_more_captions_where_they_are_wanted(photos):
    for prediction in load(threads=1, beam=4, nbest=4).predict(photos[:3]):
        assert len(prediction.caption.nbest) == 4


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model": "nothing"}, BundleNotFound),
        ({"taxonomy": "nothing"}, UnknownName),
        ({"taxonomy": "missing.toml"}, UsageError),
        ({"views": "sideways"}, UnknownName),
        ({"weight": 1.5}, UsageError),
        ({"weight": -0.1}, UsageError),
        ({"beam": 0}, UsageError),
        ({"nbest": 0}, UsageError),
        ({"beam": 2, "nbest": 3}, UsageError),
        ({"abstain_below": 2.0}, UsageError),
        ({"threads": 0}, UsageError),
        ({"threads": -1}, UsageError),
    ],
    ids=str,
)
def test_settings_that_cannot_be(settings, expected):
    with pytest.raises(expected) as caught:
        load(**settings)
    assert isinstance(caught.value, ImagistError)
    assert str(caught.value)


PARTS = ["captioner", "text_classifier", "image_classifier", "fusion", "calibration"]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("on_card", [True, False])
def test_a_model_that_lacks_a_part_is_refused(tmp_path, part, on_card):
    copy = tmp_path / "copy"
    shutil.copytree(SHIPPED / "embedded", copy)
    shutil.rmtree(copy / part)
    if not on_card:
        text = (copy / "card.toml").read_text("utf-8")
        (copy / "card.toml").write_text(text.replace(f"{part} =", "other ="))
    with pytest.raises(BundleError, match=part.replace("_", "[ _]")) as caught:
        load(copy, threads=1)
    assert caught.value.remedy


@pytest.mark.parametrize("name", space_models.NAMES)
def test_one_model_with_either_encoder(tmp_path, photos, name):
    model = space_models.write(tmp_path / "model").path
    chosen = load(model, encoder=name, threads=1)
    assert chosen.captioner.encoder is chosen.image_classifier.encoder
    assert chosen.captioner.encoder.name == name
    assert (chosen.id == load(model, threads=1).id) == (name == "lite")
    saved = chosen.save(tmp_path / "saved", "saved")
    again = load(saved.path, threads=1)
    assert again.id == chosen.id
    assert again.captioner.encoder is again.image_classifier.encoder
    for one, other in zip(chosen.predict(photos[:2]), again.predict(photos[:2]), strict=True):
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_a_model_that_works_with_one_encoder_refuses_another(tmp_path):
    model = space_models.bound(tmp_path).path
    assert load(model, encoder="embedded", threads=1).id == load(model, threads=1).id
    with pytest.raises(UsageError, match="'embedded' alone"):
        load(model, encoder="lite", threads=1)


def test_every_setting_makes_an_id_of_its_own(tmp_path):
    changes = [{}, {"taxonomy": "sns4"}, {"views": "crops"}, {"weight": 0.337}, {"beam": 2}, {"nbest": 2}]
    changes += [{"abstain_below": 0.1}]
    assert len({load(threads=1, **change).id for change in changes}) == len(changes)
    assert load(threads=1).id == load(threads=2).id


def test_the_same_image_in_any_form_gets_the_same_answer(pipeline, photos, tmp_path):
    image = Image.fromarray(photos[0].pixels)
    path = tmp_path / "a.png"
    image.save(path)
    file = io.BytesIO()
    image.save(file, "PNG")
    forms = [
        path,
        str(path),
        file.getvalue(),
        image,
        photos[0].pixels,
        photos[0],
        Row("t#1", file.getvalue()),
        Row(str(path)),
        file,
        path.open("rb"),
        path.as_uri(),
    ]
    results = list(pipeline(forms))
    results += [result for form in forms for result in pipeline(form)]
    forms[9].close()
    assert len(results) == 2 * len(forms)
    for result in results:
        assert result.caption.text == results[0].caption.text
        np.testing.assert_allclose(result.probabilities, results[0].probabilities, atol=1e-5)
    assert [results[i].source for i in (0, 1, 5, 6, 7)] == [str(path), str(path), "noise", "t#1", str(path)]
    assert [results[i].source for i in (8, 9)] == ["<BytesIO>", str(path)]


@pytest.mark.parametrize("images", [None, 3, object()])
def test_neither_an_image_nor_several(pipeline, images):
    with pytest.raises(UsageError, match="not an image, nor several"):
        list(pipeline(images))


def test_a_folder_is_no_image_and_says_what_lists_its_images(pipeline, tmp_path):
    (failure,) = pipeline(tmp_path)
    assert failure.to_dict() == {
        "source": str(tmp_path),
        "error_kind": "source_not_found",
        "error_message": "a folder (imagist.images.rows([folder]) lists its images)",
    }


def test_more_threads_give_the_same_answers(pipeline, photos):
    many = load(threads=3)
    assert many.concurrency == 3
    images = photos * 3
    for one, other in zip(pipeline(images), many(images, batch_size=2), strict=True):
        assert one.source == other.source
        assert one.caption.text == other.caption.text
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)


def test_it_ends_without_threads(pipeline, photos):
    results = pipeline(photos * 5, batch_size=1)
    next(results)
    results.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("imagist-")]


def test_the_door_of_the_package(photos):
    (prediction,) = imagist.load(threads=1)([photos[0]])
    assert isinstance(prediction, imagist.Prediction)
    assert prediction.label in {*built_in("photos15").labels, NONE}


@pytest.fixture(scope="module")
def with_matcher(tmp_path_factory):
    """A folder of a model with a matcher, which has a threshold of "none of these"."""
    pytest.importorskip("onnx")
    import sample_parts

    folder = tmp_path_factory.mktemp("matching")
    card = {"zero_shot": {"weight": 0.3, "image_threshold": 0.1, "templates": ["{label}"]}}
    matcher = sample_parts.embedded_matcher(folder / "part", **card)
    return replace(load(threads=1), matcher=matcher).save(folder / "model", "model").path


@pytest.mark.torch
def test_categories_by_name_go_through_the_pipeline_like_any_other(with_matcher, photos, tmp_path):
    named = load(with_matcher, labels="cat, red dog", threads=1)
    assert named.labels.names == ("cat", "red dog", "none of these")
    assert named.fusion.weight == 0.3
    predictions = named.predict(photos)
    for prediction in predictions:
        expected = 0.7 * prediction.image_probabilities + 0.3 * prediction.text_probabilities
        np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-6)
        assert prediction.text_probabilities[2] == 0
    assert {prediction.image_label for prediction in predictions} <= {*named.labels}
    saved = named.save(tmp_path / "named", "named").path
    again = load(saved, threads=2)
    assert again.id == named.id
    assert again.image_classifier.matcher is again.text_classifier.matcher is again.matcher
    np.testing.assert_array_equal(again.predict(photos)[0].probabilities, predictions[0].probabilities)


@pytest.mark.torch
def test_a_taxonomy_groups_categories_by_name_and_keeps_none_of_these(with_matcher, photos, tmp_path):
    (tmp_path / "pets.toml").write_text('[labels]\npets = ["cat", "dog"]\nother = ["car"]\n', "utf-8")
    names = "cat, dog, car, tree"
    grouped = load(with_matcher, labels=names, taxonomy=tmp_path / "pets.toml", threads=1)
    assert grouped.labels.names == ("pets", "other", "none of these")
    alone = load(with_matcher, labels=names, threads=1).predict(photos)
    for found, own in zip(grouped.predict(photos), alone, strict=True):
        cat, dog, car, tree, none = own.image_probabilities
        np.testing.assert_allclose(found.image_probabilities, [cat + dog, car, tree + none], atol=1e-5)


@pytest.mark.torch
def test_what_categories_by_name_depend_on_is_in_the_id(with_matcher, tmp_path):
    (tmp_path / "told.toml").write_text('[labels]\ncat = "a white cat"\ndog = []\n', "utf-8")
    changes = [{"labels": "cat, dog"}, {"labels": "cat, car"}, {"labels": tmp_path / "told.toml"}, {}]
    changes += [{"labels": ["cat", "dog"], "weight": 0.5}, {"labels": "cat, dog", "views": "crops"}]
    assert len({load(with_matcher, threads=1, **change).id for change in changes}) == len(changes)
    assert load(with_matcher, labels={"cat": (), "dog": "a dog"}, threads=1).labels.names[:2] == ("cat", "dog")


@pytest.mark.torch
def test_a_matcher_of_another_model_takes_its_place(with_matcher, tmp_path):
    lacking = shutil.copytree(open_bundle("embedded").path, tmp_path / "lacking")
    shutil.rmtree(lacking / "matcher")
    card = lacking / "card.toml"
    card.write_text("\n".join(line for line in card.read_text().splitlines() if "matcher" not in line) + "\n")
    with pytest.raises(BundleError, match=r"the model has no matcher.*--matcher"):
        load(lacking, labels="cat, dog", threads=1)
    for matcher in (with_matcher, with_matcher / "matcher", ("embedded", with_matcher)):
        swapped = load(labels="cat, dog", matcher=matcher, threads=1)
        assert swapped.id == load(with_matcher, labels="cat, dog", threads=1).id
    assert load(lacking, threads=1).matcher is None
    assert load(with_matcher, threads=1).id == load(encoder="embedded", threads=1).id  # the matcher's own


@pytest.mark.torch
def test_a_model_has_one_matcher(with_matcher, tmp_path):
    import sample_parts

    other = sample_parts.matched_pipeline(
        sample_parts.embedded_matcher(tmp_path / "other", 5), LabelSet(("cat", "dog"))
    )
    named = load(with_matcher, labels="cat, dog", threads=1)
    mixed = replace(other, image_classifier=replace(named.image_classifier, layer=other.image_classifier.layer))
    with pytest.raises(UsageError, match="different matchers"):
        mixed.save(tmp_path / "mixed", "mixed")
