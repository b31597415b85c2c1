"""Any captioner by name, with or without a cache."""

from __future__ import annotations

import importlib

import pytest

from imagist import CaptionOptions, Decoding, open_captioner, registry
from imagist.captioning.cache import CachedCaptioner
from imagist.errors import BundleNotFound, UnknownName, UsageError


def test_a_shipped_model_is_opened_by_its_card(photos):
    captioner = open_captioner(options=CaptionOptions(Decoding(beam=2)))
    assert captioner.caption(photos[:1])[0].text
    assert "beam=2" in captioner.id


def test_max_length_and_length_penalty_come_from_the_card(pipeline):
    assert open_captioner().id == pipeline.captioner.id
    assert (
        open_captioner(options=CaptionOptions(Decoding(max_length=3, length_penalty=0.0))).id == pipeline.captioner.id
    )


def test_with_a_cache_no_image_is_captioned_twice(photos, tmp_path):
    first, again = (open_captioner(cache=tmp_path / "captions.db") for _ in range(2))
    assert isinstance(first, CachedCaptioner)
    said = [caption.text for caption in first.caption(photos[:3])]
    assert [caption.text for caption in again.caption(photos[:3])] == said
    assert (again.hits, again.misses) == (3, 0)


def test_unknown_kinds_and_models_are_named():
    with pytest.raises(UnknownName, match="blop"):
        open_captioner(kind="blop")
    with pytest.raises(BundleNotFound, match="no-such-model"):
        open_captioner("no-such-model")


def test_a_kind_has_a_model_of_its_own_or_asks_for_one():
    with pytest.raises(UsageError, match="recorded: needs a model"):
        open_captioner(kind="recorded")
    blip = importlib.import_module(registry.BUILT_IN["captioners"]["blip"].partition(":")[0])
    assert registry.DEFAULT_MODELS["captioners"]["blip"] == next(iter(blip.MODELS))


def test_recorded_captions_take_no_cache(tmp_path):
    with pytest.raises(UsageError, match="cache"):
        open_captioner("captions.csv", kind="recorded", cache=tmp_path / "captions.db")
