"""Matchers over checkpoints give what transformers' own classes give."""

from __future__ import annotations

import numpy as np
import pytest

for _module in ("torch", "transformers"):
    pytest.importorskip(_module)

import torch
import transformers
from PIL import Image

import tiny_checkpoints
import tiny_matchers
from imagist.errors import BundleNotFound, UsageError
from imagist.matching.backends.clip import ClipMatcher, load
from imagist.matching.background import fit_background
from imagist.matching.opening import open_matcher
from imagist.matching.zero_shot import ZeroShot
from imagist.protocols import PartOptions

pytestmark = pytest.mark.torch

TEXTS = ["a cat", "two red", "dog"]
KINDS = ("clip", "siglip", "siglip2", "altclip", "chinese_clip")


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    return tiny_matchers.clip(tmp_path_factory.mktemp("clip") / request.param, request.param)


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@torch.inference_mode()
def test_scaled_cosines_are_the_model_s_own_logits(folder, photos):
    matcher = load(str(folder), PartOptions())
    model = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    padding = {"padding": "max_length", "max_length": 16} if folder.name.startswith("siglip") else {"padding": True}
    images = [Image.fromarray(photo.pixels) for photo in photos[:4]]
    if folder.name == "siglip2":  # which its processor's own defaults would replace
        padding |= {"patch_size": 8, "max_num_patches": 16}
    given = processor(text=TEXTS, images=images, return_tensors="pt", **padding)
    expected = model(**given).logits_per_image - getattr(model, "logit_bias", torch.zeros(1))
    found = matcher.scale * matcher.images(photos[:4]) @ matcher.texts(TEXTS).T
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_it_is_saved_as_the_name_of_its_checkpoint_with_its_settings(folder, tmp_path):
    rng = np.random.default_rng(0)
    opened = load(str(folder), PartOptions())
    background = fit_background(rng.normal(size=(5, 4)), rng.normal(size=(5, 4)))
    matcher = ClipMatcher(opened._checkpoint, str(folder), PartOptions(), ZeroShot(weight=0.5), background)
    matcher.save(tmp_path / "matcher")
    again = open_matcher(tmp_path / "matcher")
    assert (again.id, again.zero_shot, again.background.id) == (matcher.id, ZeroShot(weight=0.5), background.id)
    assert not [*(tmp_path / "matcher").glob("*.safetensors")]


def test_other_models_are_refused(tmp_path):
    with pytest.raises(BundleNotFound):
        load("no such folder", PartOptions())
    tiny_checkpoints.gpt2(tmp_path / "gpt2")
    processor = transformers.CLIPImageProcessor()
    processor.save_pretrained(tmp_path / "gpt2")
    with pytest.raises(UsageError, match="does not embed images and texts"):
        load(str(tmp_path / "gpt2"), PartOptions())


def test_siglip_reads_lower_case(tmp_path):
    matcher = load(str(tiny_matchers.clip(tmp_path / "siglip", "siglip")), PartOptions())
    np.testing.assert_array_equal(matcher.texts(["A Cat"]), matcher.texts(["a cat"]))
