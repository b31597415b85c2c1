"""Classifiers over a matcher's embeddings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import sample_parts
from imagist.bundle import npz, open_folder, write_part
from imagist.classifiers.matched import keeping_none, load_image, load_text, zero_shot
from imagist.classifiers.taxonomy import Taxonomy
from imagist.errors import BundleError
from imagist.matching.negatives import Negatives, negatives_of
from imagist.matching.prompts import read_labels
from imagist.matching.zero_shot import NONE
from imagist.protocols import ImageClassifier, ImageFeatures, PartOptions, TextClassifier, TextFeatures
from imagist.records import LabelSet

pytestmark = pytest.mark.torch
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def matcher(tmp_path_factory):
    card = {"zero_shot": {"image_threshold": 0.2, "templates": ["{label}"]}}
    return sample_parts.embedded_matcher(tmp_path_factory.mktemp("matched") / "part", **card)


@pytest.fixture(scope="module")
def classifiers(matcher):
    return zero_shot(matcher, read_labels("cat, red dog"))


def test_they_follow_their_protocols(classifiers):
    text, image = classifiers
    assert isinstance(text, TextClassifier)
    assert isinstance(text, TextFeatures)
    assert isinstance(image, ImageClassifier)
    assert isinstance(image, ImageFeatures)
    assert text.labels == image.labels
    assert text.labels.names == ("cat", "red dog", NONE)
    assert text.id != image.id


def test_a_text_gets_the_label_that_it_names(classifiers):
    text, _ = classifiers
    scores = text.scores(["cat", "red dog", "a cat"])
    assert scores.argmax(1).tolist() == [0, 1, 0]
    np.testing.assert_array_equal(scores[:, 2], 0)  # captions have no threshold here


def test_probabilities_of_images_are_the_softmax_of_scaled_cosines_and_the_threshold(classifiers, matcher, photos):
    _, image = classifiers
    cosines = matcher.images(photos) @ matcher.texts(["cat", "red dog"]).T
    powers = np.exp(20 * np.hstack([cosines, np.full((len(photos), 1), 0.2)]))
    np.testing.assert_allclose(image.scores(photos), powers / powers.sum(1, keepdims=True), atol=1e-4)


def test_negatives_raise_the_threshold_and_are_saved(classifiers, matcher, photos, tmp_path):
    _, image = classifiers
    negatives = Negatives(matcher.texts(["cat"]).astype(np.float16).astype(np.float32), 0.5, 10.0, -1.0)
    raised = replace(image, layer=replace(image.layer, negatives=negatives, scale=20.0))
    assert raised.id != image.id
    assert (raised.scores(photos)[:, 2] > image.scores(photos)[:, 2]).all()
    raised.save(tmp_path / "image_classifier")
    folder = open_folder(tmp_path / "image_classifier")
    assert folder.card["scale"] == 20
    assert negatives_of(folder).id == negatives.id


@pytest.mark.parametrize("arrays", [{"weights": np.ones((2, 16), np.float32)}, {}])
def test_other_weights_are_refused(arrays, tmp_path):
    content = npz(**arrays, bias=np.zeros(3, np.float32))
    for part, load in (("text_classifier", load_text), ("image_classifier", load_image)):
        write_part(tmp_path / part, "matched", {"labels": ["a", "b", "c"]}, weights__npz=content)
        with pytest.raises(BundleError, match="do not fit"):
            load(str(tmp_path / part), PartOptions())


def test_what_a_taxonomy_does_not_know_is_none_of_its_categories():
    labels = LabelSet(("cat", "dog", "car", NONE))
    pets = Taxonomy("pets", LabelSet(("pets",)), {"pets": ("cat", "dog")})
    kept = keeping_none(pets, labels)
    assert kept.members == {"pets": ("cat", "dog"), NONE: ("car", NONE)}
    np.testing.assert_allclose(kept.project(np.array([[0.1, 0.2, 0.3, 0.4]]), labels), [[0.3, 0.7]])
    own = Taxonomy("own", LabelSet(("a", "rest")), {"a": ("cat",), "rest": (NONE,)})
    assert keeping_none(own, labels) is own
    assert keeping_none(pets, LabelSet(("cat", "dog", "car"))) is pets
