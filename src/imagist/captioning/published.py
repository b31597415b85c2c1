"""Short names of published captioners, and whether one can be had; nothing here imports what runs them."""

from __future__ import annotations

from collections.abc import Mapping

from imagist.bundle import hub

MODELS: Mapping[str, Mapping[str, str]] = {
    "blip": {
        "blip-base": "Salesforce/blip-image-captioning-base",
        "blip-large": "Salesforce/blip-image-captioning-large",
    },
    "blip2": {"blip2-2.7b": "Salesforce/blip2-opt-2.7b", "blip2-flan-t5-xl": "Salesforce/blip2-flan-t5-xl"},
    "git": {"git-large-coco": "microsoft/git-large-coco"},
    "vlm": {
        "smolvlm-256m": "HuggingFaceTB/SmolVLM-256M-Instruct",
        "smolvlm-500m": "HuggingFaceTB/SmolVLM-500M-Instruct",
        "qwen2.5-vl-3b": "Qwen/Qwen2.5-VL-3B-Instruct",
    },
}
"""By kind of captioner, names on the Hugging Face hub by short name; the first one is the default."""


def check(kind: str | None, model: str) -> None:
    """Raises the error of a published captioner that cannot be had, before what would run it is imported.

    Args:
        kind: Of the captioner; any that is not published passes.
        model: A short name, a name on the hub or a folder; ``#PRESET`` may follow.

    Raises:
        BundleNotFound: The hub does not answer, and no copy is on disk.
    """
    if kind is not None and kind in MODELS:
        name = model.partition("#")[0]
        hub.check(MODELS[kind].get(name, name))
