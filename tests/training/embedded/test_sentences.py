"""Sentences that are made from labels."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from imagist.bundle import open_bundle
from imagist.errors import DataError
from imagist.metrics.ptb import tokenize
from imagist.training.embedded import sentences
from imagist.training.embedded.sentences import LabelSentences

TABLE = tomllib.loads(Path(sentences.__file__).with_name("labels.toml").read_text("utf-8"))
CLASSES = open_bundle("embedded").card["labels"]


@pytest.mark.parametrize("label", TABLE)
def test_every_label_has_several_names_or_frames_and_several_sentences(label):
    made = LabelSentences({label}).all()
    assert len({*made}) == len(made) >= 6
    assert all(" ".join(tokenize(sentence)) == sentence for sentence in made)
    assert not [word for sentence in made for word in sentence.split() if "{" in word or "}" in word]


def test_the_classes_of_the_shipped_model_have_sentences():
    made = LabelSentences({*CLASSES}).all()
    assert len(made) > 20 * len(CLASSES)


def test_all_missing_labels_are_named():
    with pytest.raises(DataError, match=r"labels\.toml: no names for gnu, unicorn") as caught:
        LabelSentences({"cat", "unicorn", "gnu"})
    assert caught.value.remedy


def test_drawing_reaches_every_sentence_and_repeats_for_a_seed():
    label = LabelSentences({"cat"})
    rng = np.random.default_rng(0)
    drawn = Counter(label.draw("cat", rng) for _ in range(3000))
    assert {*drawn} == {*label.all()}
    one, other = ([label.draw("cat", r) for _ in range(5)] for r in map(np.random.default_rng, (4, 4)))
    assert one == other
