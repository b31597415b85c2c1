"""A model on disk: a folder of parts. Every part has a folder of its own, and every folder has a card.

models/mine/
├── card.toml             name, description, measured figures, and the version of each part
├── encoder/              the network that captioner and image classifier share; another may lie in encoder-NAME/
├── captioner/
├── text_classifier/
├── image_classifier/
├── fusion/
├── calibration/
├── matcher/              where the model has one
└── trained_on.npy        hashes of the images that it learnt from, where they are known

A part's ``card.toml`` names its kind, by which `imagist.registry` finds its loader, its settings, and the sha256 of
each of its files::

    kind = "tfidf"
    labels = ["cat", "dog"]
    [files]
    "weights.npz" = "<sha256>"

A folder is opened only if its files are those of the card. Files are ONNX, NumPy, safetensors, TOML or plain text;
nothing is unpickled.
"""

from __future__ import annotations

from imagist.bundle.folders import CARD, Folder, open_folder
from imagist.bundle.hashes import trained_on, write_trained_on
from imagist.bundle.models import (
    ENCODER,
    PARTS,
    SHIPPED,
    SPACE,
    Bundle,
    is_bundle,
    list_bundles,
    open_bundle,
    open_part,
)
from imagist.bundle.writing import add_part, check_target, copy_part, fingerprint, npz, write_bundle, write_part

MODEL_CARD = "MODEL_CARD.md"
"""The file of a model that people read about it."""

__all__ = [
    "CARD",
    "ENCODER",
    "MODEL_CARD",
    "PARTS",
    "SHIPPED",
    "SPACE",
    "Bundle",
    "Folder",
    "add_part",
    "check_target",
    "copy_part",
    "fingerprint",
    "is_bundle",
    "list_bundles",
    "npz",
    "open_bundle",
    "open_folder",
    "open_part",
    "trained_on",
    "write_bundle",
    "write_part",
    "write_trained_on",
]
