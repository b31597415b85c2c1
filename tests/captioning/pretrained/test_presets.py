"""Presets: what they set, and how a user names them."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from imagist.captioning.decoding import Decoding
from imagist.captioning.pretrained.presets import PRESETS, parse_model
from imagist.errors import UnknownName

pytestmark = pytest.mark.torch

SHORT = {"small": "somebody/small-model"}


def test_a_model_is_named_with_or_without_a_preset():
    assert parse_model("small", SHORT) == ("somebody/small-model", None)
    assert parse_model("small#standalone", SHORT) == ("somebody/small-model", PRESETS["standalone"])
    assert parse_model("else/where#clip-interrogator", SHORT) == ("else/where", PRESETS["clip-interrogator"])


def test_a_folder_of_that_very_name_is_the_folder(tmp_path):
    folder = tmp_path / "blip#standalone"
    folder.mkdir()
    assert parse_model(str(folder), {}) == (str(folder), None)


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(UnknownName, match="clip-interrogator") as caught:
        parse_model("small#tutorial", SHORT)
    assert caught.value.item == "tutorial"


def test_the_standalone_demo_counts_its_start_and_its_prompt():
    """``[DEC] a picture of`` are four tokens of max_length=20 and min_length=5."""
    preset = PRESETS["standalone"]
    decoding = preset.decoding(Decoding(beam=7, nbest=2, max_length=50, no_repeat_ngram_size=3), 4)
    assert (decoding.beam, decoding.nbest, decoding.max_length, decoding.length_penalty) == (3, 2, 16, 1.0)
    assert (preset.min_new_tokens(4), preset.min_new_tokens(1), preset.min_new_tokens(9)) == (1, 4, 1)
    assert decoding.no_repeat_ngram_size == 3


def test_clip_interrogator_is_greedy_and_counts_new_tokens():
    decoding = PRESETS["clip-interrogator"].decoding(Decoding(nbest=3, top_p=0.9), 4)
    assert (decoding.beam, decoding.nbest, decoding.max_length, decoding.top_p) == (1, 1, 32, None)


def test_clip_interrogator_0_5_has_beams():
    decoding = PRESETS["clip-interrogator-0.5"].decoding(Decoding(), 4)
    assert (decoding.beam, decoding.max_length) == (8, 28)
