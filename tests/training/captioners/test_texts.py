"""Sentences without images: how they are read, which probabilities they come with, and that they teach words."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from test_class_names import NAMES
from tiny_training import CLASSES, TEXTS

from imagist.captioning.decoding import START
from imagist.errors import DataError
from imagist.training.captioners.cross_entropy import caption_loss, corpora_loss, train_cross_entropy
from imagist.training.captioners.recipe import CorpusWeights, Data, TextCorpus
from imagist.training.captioners.self_critical import train_self_critical
from imagist.training.captioners.texts import class_probabilities, read_sentences, read_texts
from imagist.training.captioners.vocabulary import build_vocabulary

pytestmark = pytest.mark.torch


@given(st.lists(st.integers(0, 29), min_size=1, max_size=3), st.integers(0, 2**31))
def test_probabilities_are_at_most_one_in_all_and_lie_on_the_known_classes(known, seed):
    row = class_probabilities(known, 30, np.random.default_rng(seed))
    assert row.shape == (30,)
    assert row.dtype == np.float32
    assert (row >= 0).all()
    assert 0 < row.sum() <= 1 + 1e-6
    assert row[known].min() > 0
    assert row[[*{*known}]].sum() >= 0.05
    assert (row > 0).sum() <= len({*known}) + 4 + 5


def test_an_image_may_be_of_one_class_almost_alone_or_hardly():
    rng = np.random.default_rng(0)
    peaks = np.array([class_probabilities([500], 1000, rng)[500] for _ in range(500)])
    assert peaks.min() < 0.15
    assert peaks.max() > 0.9
    assert 0.45 < peaks.mean() < 0.65


def test_a_batch_repeats_for_its_step_and_differs_by_step(tiny):
    def made(step):
        return TEXTS.sample(3, tiny.vocabulary, tiny.max_length, step, 0)

    rows, words = made(2)
    assert rows.shape == (3, CLASSES)
    assert words.shape[:2] == (3, 1)
    assert (words[:, :, 0] == START).all()
    assert torch.equal(rows, made(2)[0])
    assert not torch.equal(rows, made(3)[0])
    for row, ids in zip(rows, words[:, 0], strict=True):
        said = tiny.vocabulary.decode(ids[1:])
        assert any(row[list(each.classes)].min() > 0 for each in TEXTS.sentences if each.text == said)


def test_sentences_with_words_that_the_vocabulary_lacks_are_left_out():
    vocabulary = build_vocabulary(["a photo of a bee"], ["en"], 1)
    assert [each.classes for each in TEXTS.known_to(vocabulary).sentences] == [(2,)]
    with pytest.raises(DataError, match="the vocabulary has all words of no sentence"):
        TEXTS.known_to(build_vocabulary(["dog"], ["en"], 1))


def test_a_batch_has_every_kind_of_corpus_with_its_size(tiny, tmp_path):
    context = tiny.context(tmp_path, texts=TEXTS, text_share=0.5)
    batch = context.batch(6, 2, 0)
    assert {kind: tuple(words.shape[:2]) for kind, (_, words) in batch.items()} == {
        "captioned": (6, 2), "named": (3 + 3, 2), "text": (3, 1),
    }  # fmt: skip
    assert batch["text"][0].shape == (3, CLASSES)


def test_the_loss_is_the_weighted_sum_of_the_corpora(tiny, tmp_path):
    model, context = tiny.naming(dropout=0.0).eval(), tiny.context(tmp_path, texts=TEXTS)
    batch = context.batch(4, 2, 0)
    weights = CorpusWeights(0.4, 0.25, 0.2)
    with torch.no_grad():
        found = corpora_loss(model, batch, weights, context, tiny.cross_entropy)
        single = {kind: caption_loss(model, *pair, context, tiny.cross_entropy) for kind, pair in batch.items()}
    expected = 0.4 * single["captioned"] + 0.25 * single["named"] + 0.2 * single["text"]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("phase", ["cross_entropy", "self_critical"])
def test_words_for_classes_are_learnt_without_an_image(tiny, tmp_path, phase):
    model, context = tiny.naming(dropout=0.0), tiny.context(tmp_path, texts=TEXTS)
    head = model.decoder.head.weight.clone()
    rows, words = TEXTS.sample(len(TEXTS), tiny.vocabulary, tiny.max_length, 0, 0)

    def loss():
        with torch.no_grad():
            return float(caption_loss(model.eval(), rows, words, context, tiny.cross_entropy))

    before = loss()
    config = replace(tiny.cross_entropy, epochs=20, first_eval=1.0, learning_rate=1e-2, ema_decay=0.5)
    if phase == "cross_entropy":
        train_cross_entropy(model, context, config)
    else:
        critical = replace(tiny.self_critical, steps=30, eval_every=30, learning_rate=1e-2, ema_decay=0.5)
        best = replace(context, evaluator=Rising())
        train_self_critical(model, best, replace(critical, cross_entropy_weight=1.0), config)
    assert loss() < before - 0.5
    assert torch.equal(model.decoder.head.weight, head)  # the encoder's, which stays as it is


class Rising:
    """Likes each look better than the one before."""

    figure = 0.0

    def evaluate(self, model):
        self.figure += 1
        return {"cider": self.figure}


def test_sentences_are_read_from_text_and_from_captions_in_json(tmp_path):
    (tmp_path / "a.txt").write_text("A dog runs.\n\n a cat \n", "utf-8")
    rows = {"annotations": [{"image_id": 1, "caption": "A bird."}, {"image_id": 2}]}
    (tmp_path / "b.json").write_text(json.dumps(rows), "utf-8")
    assert read_sentences(tmp_path / "a.txt") == ["A dog runs.", "a cat"]
    assert read_sentences(tmp_path / "b.json") == ["A bird."]


@pytest.mark.parametrize("content", [None, "", '{"images": []}', '{"annotations": 3}', "{not json"])
def test_files_without_sentences_are_named(tmp_path, content):
    if content is not None:
        (tmp_path / "c.json").write_text(content, "utf-8")
    with pytest.raises(DataError) as caught:
        read_sentences(tmp_path / "c.json")
    assert "c.json" in str(caught.value)


def test_a_recipe_s_sentences_are_tokenised_once_each_and_of_the_right_length(tmp_path):
    (tmp_path / "a.txt").write_text(
        "A dog runs on grass.\na dog runs on grass\nA dog.\nNobody is to be seen here.\n", "utf-8"
    )

    def texts(**settings):
        sentences = TextCorpus(("a.txt",), **({"framed": 0, "exchanged": 0} | settings))
        return read_texts(Data((), (), sentences=sentences, class_names=NAMES), tmp_path, 0)

    found = texts()
    assert found.classes == 1000
    assert found.words == ["a dog runs on grass", "nobody is to be seen here"]
    assert len(found) == 2
    assert all("runs on grass" in each.text for each in found.sentences)
    assert read_texts(Data((), ()), tmp_path, 0) is None
    with pytest.raises(DataError, match="no sentence speaks of a class"):
        texts(min_words=6)
