"""A cache of the Hugging Face hub that holds small models with random weights under the names of published ones."""

from __future__ import annotations

import pytest

import tiny_checkpoints
import tiny_matchers

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODELS = {
    "HuggingFaceTB/SmolVLM-256M-Instruct": tiny_checkpoints.idefics3,
    "HuggingFaceTB/SmolVLM-500M-Instruct": tiny_checkpoints.idefics3,
    "Qwen/Qwen2.5-VL-3B-Instruct": tiny_checkpoints.qwen2_5_vl,
    "Salesforce/blip-image-captioning-base": tiny_checkpoints.blip,
    "openai/clip-vit-base-patch32": tiny_matchers.clip,
}
OPEN_CLIP = {"ViT-L-14": "timm/vit_large_patch14_clip_224.openai"}  # architecture, and where its weights `openai` are


def write_hub(folder):
    """Writes the cache, as ``hub`` in the folder that ``HF_HOME`` names; returns it."""
    for name, write in MODELS.items():
        write(_published(folder, name))
    return folder


def add_open_clip(folder):
    """Adds models of open_clip."""
    for name in OPEN_CLIP.values():
        tiny_matchers.open_clip(_published(folder, name))


def _published(folder, name):
    """The folder of a model's files."""
    place = folder / "hub" / f"models--{name.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(COMMIT, "utf-8")
    return place / "snapshots" / COMMIT


def use_hub(folder, patch: pytest.MonkeyPatch):
    """Has this process read the cache alone, as ``HF_HOME`` and ``HF_HUB_OFFLINE=1`` have a process that begins."""
    patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for module in ("huggingface_hub.constants", "transformers.utils.hub.constants"):
        patch.setattr(f"{module}.HF_HUB_CACHE", str(folder / "hub"))


def shrink_open_clip(patch: pytest.MonkeyPatch):
    """Gives the architectures of `OPEN_CLIP` the size of `tiny_matchers.open_clip`."""
    from open_clip import factory

    for name in OPEN_CLIP:
        patch.setitem(factory._MODEL_CONFIGS, name, tiny_matchers.OPEN_CLIP_CONFIG)
