"""Captions that are made from labels."""

from __future__ import annotations

import tomllib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from imagist import settings
from imagist.bundle import open_bundle
from imagist.errors import DataError, UsageError
from imagist.matching.zero_shot import NONE
from imagist.metrics.ptb import tokenize
from imagist.training.captioners.label_sentences import LabelNames, LabelSentences

CONFIG = Path(__file__).parents[3] / "configs" / "embedded" / "label-sentences.toml"
TABLE = tomllib.loads(CONFIG.read_text("utf-8"))["data"]["label_sentences"]
SENTENCES = settings.from_table(TABLE, LabelSentences, str(CONFIG))


@pytest.mark.parametrize("label", TABLE["labels"])
def test_every_label_has_several_sentences(label):
    sentences = SENTENCES.all([label])
    assert len({*sentences}) == len(sentences) >= 6
    assert all(" ".join(tokenize(sentence)) == sentence for sentence in sentences)
    assert not [word for sentence in sentences for word in sentence.split() if "{" in word or "}" in word]


def test_the_classes_of_the_shipped_model_have_sentences():
    labels = [label for label in open_bundle("embedded").part("text_classifier").card["labels"] if label != NONE]
    SENTENCES.check(labels)
    assert len(SENTENCES.all(labels)) > 20 * len(labels)


def test_an_error_names_all_missing_labels():
    with pytest.raises(DataError, match=r"label_sentences: no names for gnu, unicorn") as caught:
        SENTENCES.check(["cat", "unicorn", "gnu"])
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("frames", "kind", "fault"),
    [({"animal": ("{a}",)}, "food", "kinds food"), ({"animal": ("a cat",)}, "animal", "a cat")],
)
def test_unknown_kinds_and_frames_without_a_name_are_faults(frames, kind, fault):
    with pytest.raises(UsageError, match=fault):
        LabelSentences(frames, {"cat": LabelNames((kind,), ("a cat",))})


def test_sampling_reaches_every_sentence_and_repeats_for_a_seed():
    rng = np.random.default_rng(0)
    sampled = Counter(SENTENCES.sample("cat", rng) for _ in range(3000))
    assert {*sampled} == {*SENTENCES.all(["cat"])}
    one, other = ([SENTENCES.sample("cat", r) for _ in range(5)] for r in map(np.random.default_rng, (4, 4)))
    assert one == other
