"""Matchers of open_clip give what the library gives."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.torch

TEXTS = ["a cat", "two red dogs", "Hündchen 東"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("open_clip")
    import tiny_matchers

    return tiny_matchers.open_clip(tmp_path_factory.mktemp("open") / "tiny")


def test_embeddings_are_the_library_s_own(folder, photos):
    import open_clip
    import torch
    from PIL import Image

    from imagist.matching.backends.open_clip import load
    from imagist.protocols import PartOptions

    matcher = load(str(folder), PartOptions())
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
    with torch.inference_mode():
        images = torch.stack([transform(Image.fromarray(photo.pixels)) for photo in photos[:4]])
        expected = [model.eval().encode_image(images, normalize=True), model.encode_text(tokens, normalize=True)]
    for found, wanted in zip((matcher.images(photos[:4]), matcher.texts(TEXTS)), expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)
    assert matcher.scale == pytest.approx(model.logit_scale.exp().item())
    assert [matcher.token_count(text) for text in TEXTS] == [int(row.argmax()) + 1 for row in tokens]


def test_weights_of_openai_run_with_the_activation_that_they_were_trained_with(folder, tmp_path, monkeypatch):
    import tiny_hub
    from imagist.matching.backends.open_clip import load
    from imagist.protocols import PartOptions

    tiny_hub.add_open_clip(tmp_path)
    tiny_hub.use_hub(tmp_path, monkeypatch)
    tiny_hub.shrink_open_clip(monkeypatch)
    matcher = load("ViT-L-14/openai", PartOptions())
    assert "QuickGELU" in {type(part).__name__ for part in matcher._network.modules()}
    assert matcher.id == load(str(folder), PartOptions()).id.replace("tiny-", "openai-").replace("/", "-quickgelu/")


@pytest.mark.parametrize("name", ["no-such-model", "ViT-B-32/no-such-weights", "ViT-B-32"])
def test_unknown_names_are_refused(name, folder):
    from imagist.errors import BundleNotFound
    from imagist.matching.backends.open_clip import load
    from imagist.protocols import PartOptions

    with pytest.raises(BundleNotFound, match="open_clip cannot open it") as caught:
        load(name, PartOptions())
    assert caught.value.remedy


def test_a_folder_without_safetensors_is_refused(tmp_path, folder):
    from imagist.errors import BundleError
    from imagist.matching.backends.open_clip import load
    from imagist.protocols import PartOptions

    with pytest.raises(BundleError, match="no safetensors"):
        load(str(tmp_path), PartOptions())


def test_without_the_extra_the_error_names_the_remedy():
    pytest.importorskip("torch")
    code = """
import sys
sys.modules["open_clip"] = None
from imagist.errors import MissingExtra
try:
    import imagist.matching.backends.open_clip
except MissingExtra as error:
    assert error.item == "open_clip", error
    assert "openclip]" in str(error), error
else:
    raise SystemExit("imported all the same")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
