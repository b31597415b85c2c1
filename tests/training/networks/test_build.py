"""A decoder by its name, and what is said of names and settings that there are not."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from imagist.errors import UsageError
from imagist.training.networks.attention import TUTORIAL
from imagist.training.networks.build import KINDS, build

pytestmark = pytest.mark.torch

SIZES = {"words": 19, "channels": 12, "cells": 9, "max_length": 8}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "prefix-gpt2"])
def test_every_kind_is_built_by_its_name_and_is_one_of_the_captioners(kind):
    from imagist import registry

    assert type(build({"kind": kind}, **SIZES)) is KINDS[kind]
    assert kind in registry.names("captioners")


def test_a_small_language_model_is_made_of_a_table():
    pytest.importorskip("transformers")
    table = {"width": 16, "layers": 1, "heads": 2, "positions": 30}
    decoder = build({"kind": "prefix-gpt2", "language_model": table, "frozen": True}, **SIZES)
    assert decoder.words == decoder.language_model.config.vocab_size == 19
    assert decoder.language_model.config.n_layer == 1
    assert decoder.frozen


def test_what_is_asked_for_goes_before_the_preset_and_the_rest_is_the_preset_s():
    decoder = build({"kind": "attention", "preset": "tutorial", "embedding_size": 10}, **SIZES)
    assert decoder.embedding.embedding_dim == 10
    assert isinstance(decoder.cell, torch.nn.GRUCell)
    assert decoder.cell.hidden_size == TUTORIAL["hidden_size"]
    assert build({"kind": "lstm", "preset": "merge"}, **SIZES).merge
    assert not build({"kind": "lstm", "preset": "inject"}, **SIZES).merge


def test_decoders_that_need_max_length_and_the_grid_get_them():
    decoder = build({"kind": "transformer", "width": 24, "heads": 3, "layers": 1}, **SIZES)
    assert decoder.times.shape[0] == SIZES["max_length"] + 2
    assert decoder.places.shape[0] == SIZES["cells"]


@pytest.mark.parametrize(
    ("options", "named", "remedy"),
    [
        ({}, "decoder.kind", "attention"),
        ({"kind": "oracle"}, "oracle", "transformer"),
        ({"kind": "attention", "preset": "sot"}, "sot", "sat"),
        ({"kind": "transformer", "preset": "big"}, "big", "none"),
        ({"kind": "attention", "hiden": 5, "wdth": 3}, "hiden, wdth", "hidden_size"),
        ({"kind": "attention", "words": 5}, "words", "hidden_size"),
        ({"kind": "prefix-gpt2", "language_model": {"layer": 3}}, "layer", "layers"),
    ],
    ids=str,
)
def test_what_there_is_not_is_named_with_what_there_is(options, named, remedy):
    with pytest.raises(UsageError) as caught:
        build(options, **SIZES)
    assert named in str(caught.value)
    assert remedy in caught.value.remedy
