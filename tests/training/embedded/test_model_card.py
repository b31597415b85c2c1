"""The model card contains the measured figures."""

from __future__ import annotations

import pytest

from imagist.bundle import open_bundle
from imagist.training.embedded.model_card import caption_table, class_table, model_card


def figure(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def classes(value):
    return {
        "image": figure(value),
        "text": figure(value - 0.1),
        "fused": figure(value + 0.1),
        "ece": 0.0213,
        "photos": 77,
    }


@pytest.fixture
def measured():
    captioner = {
        "parity": {"images": 200, "equal_captions": 0.985, "logprobs": 2e-2},
        "dev": {"en": {"CIDEr": figure(0.4567)}},
        "parameters": {"encoder": 2_223_872},
        "words": 3141,
    }
    return {
        "captions": {"BLEU-4": figure(0.2134), "CIDEr": figure(0.4566)},
        "classes": {"photos15": classes(0.6), "sns4": classes(0.7)},
        "captioner": captioner,
    }


def test_a_caption_table():
    lines = caption_table({"BLEU-4": figure(0.2134), "CIDEr": figure(0.4566)}).splitlines()
    assert lines == ["| BLEU-4 | CIDEr |", "|---|---|", "| 21.3 [20.3, 22.3] | 45.7 [44.7, 46.7] |"]


def test_a_class_table():
    lines = class_table({"photos15": classes(0.6)}).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2] == "| photos15 | 77 | 60.0 [59.0, 61.0] | 50.0 [49.0, 51.0] | 70.0 [69.0, 71.0] | 0.021 |"


def test_the_card_holds_what_was_measured(measured):
    bundle = open_bundle("embedded")
    text = model_card(measured, bundle.path)
    assert text.startswith(f"# {bundle.name}")
    for part in (bundle.version, "45.7 [44.7, 46.7]", "98.5% equal", "CIDEr 45.67 in torch, 45.66 in", "| sns4 | 77 |"):
        assert part in text
    assert "{" not in text
    assert "3,141 words" in text
    assert "2.2 million weights" in text
