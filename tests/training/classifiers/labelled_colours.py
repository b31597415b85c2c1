"""Labelled images that tiny networks can tell apart: noise around a colour of each class."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from safetensors.torch import save_file

from imagist.datasets.entries import Record
from imagist.records import LabelSet
from imagist.training.classifiers.image_settings import Pretrained

COLOURS = ((200, 60, 60), (60, 200, 60), (60, 60, 200))
LABELS = LabelSet(("red", "green", "blue"))
SIDE = 32


def image(seed, colour=(128, 128, 128), size=(40, 30)):
    """A PNG of noise around a colour."""
    rng = np.random.default_rng(seed)
    pixels = np.clip(rng.normal(colour, 40, (*size, 3)), 0, 255).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return Record(f"{seed}.png", ("a photo",), content=content.getvalue())


def examples(number, seed=0):
    """Images of the three classes in turn, and their targets."""
    targets = np.arange(number) % len(COLOURS)
    return [image((seed, i), COLOURS[t]) for i, t in enumerate(targets)], targets


def tiny_network(folder, **changes):
    """Settings of a network with random weights, which lie in the folder."""
    import timm
    import torch

    if not (folder / "w.safetensors").exists():
        torch.manual_seed(0)
        save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), folder / "w.safetensors")
    return Pretrained(**{"name": "test_resnet", "weights": "w.safetensors", "side": SIDE, "device": "cpu"} | changes)
