"""Fits a classifier of images by its settings.

Shapes: N examples; C classes; E width of the hidden states.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imagist.arrays import AnyArray
from imagist.classifiers.image.imagenet import imagenet_labels, imagenet_names
from imagist.classifiers.image.labelmap import LabelMapClassifier
from imagist.classifiers.image.network import Network, NetworkClassifier
from imagist.classifiers.taxonomy import open_taxonomy
from imagist.images.photo import ImageSource
from imagist.records import LabelSet
from imagist.training.checkpoint import weights_key
from imagist.training.classifiers.finetuning import finetune
from imagist.training.classifiers.heads_over_features import fit_head
from imagist.training.classifiers.history import Fitted
from imagist.training.classifiers.image_features import cached_features, open_network
from imagist.training.classifiers.image_settings import Finetuned, LabelMap, Linear, Pretrained
from imagist.training.classifiers.labelled import check_labelled
from imagist.training.devices import device_of
from imagist.training.encoders.grid_cache import images_key

__all__ = [
    "Finetuned",
    "LabelMap",
    "Linear",
    "Pretrained",
    "cached_features",
    "fit_images",
    "open_network",
]

log = logging.getLogger("imagist.training")

CHECKPOINT = "images.pt"

ImageClassifier = NetworkClassifier | LabelMapClassifier


def fit_images(
    settings: LabelMap | Linear | Finetuned,
    images: Sequence[ImageSource],
    targets: AnyArray,
    labels: LabelSet,
    dev: tuple[Sequence[ImageSource], AnyArray] | None = None,
    seed: int = 0,
    folder: Path | None = None,
    *,
    data: Path = Path(),
    features: Path | None = None,
) -> Fitted[ImageClassifier]:
    """Fits a classifier; equal seeds give equal weights.

    Args:
        settings: Which, and how.
        images: N of them to learn from; a label map needs none.
        targets: Their classes, ``[N]``.
        labels: The C names.
        dev: Held-out images with their classes, on which what is open is chosen.
        seed: Of all that is drawn.
        folder: Receives the checkpoint of a long fit, from which a killed one resumes.
        data: Folder in which weights are looked for.
        features: Cache of what frozen networks make of photos, shared by all fits; None keeps none.

    Raises:
        ItemError: An image cannot be read.
        DataError: Images and classes do not fit, in train or dev; the folder holds the checkpoint of another fit; or
            weights that cannot be read.
        UsageError: No such network; a label map whose categories are not the labels.
        BundleNotFound: The published weights cannot be had.
    """
    if isinstance(settings, LabelMap):
        return Fitted(_mapped(settings, labels, data))
    check_labelled({"train": (images, targets)} | ({"dev": dev} if dev else {}), len(labels), "images")
    train = images, np.asarray(targets, np.int64)
    held_out = (dev[0], np.asarray(dev[1], np.int64)) if dev else None
    network = open_network(settings.network, data)
    key = _key(settings, network, train, held_out, labels, seed)
    path = folder / CHECKPOINT if folder else None
    if isinstance(settings, Finetuned):
        tuned = network.with_classes(len(labels))
        tuned, history = finetune(tuned, settings, train, held_out, labels, seed=seed, path=path, key=key)
        return Fitted(_classifier(tuned, labels, settings.network), history)
    every = [*images, *(dev[0] if dev else ())]
    known, known_dev = np.split(cached_features(network, settings.network, every, features), [len(images)])
    known_parts = (known, train[1]), (known_dev, held_out[1]) if held_out else None
    head = fit_head(settings, *known_parts, len(labels), seed=seed, path=path, key=key)
    last = network.with_classes(len(labels)).last
    last.weight.data, last.bias.data = torch.from_numpy(head.matrix.T.copy()), torch.from_numpy(head.bias)
    return Fitted(_classifier(network, labels, settings.network), head.history)


def _mapped(settings: LabelMap, labels: LabelSet, data: Path) -> LabelMapClassifier:
    taxonomy = open_taxonomy(settings.taxonomy).reorder(labels).resolve(imagenet_labels(), imagenet_names())
    if taxonomy.unmapped:
        log.warning("%s: ImageNet has no label for %s", taxonomy.name, ", ".join(taxonomy.unmapped))
    network = _classifier(open_network(settings.network, data), None, settings.network)
    return LabelMapClassifier(network, taxonomy)


def _classifier(network: Network, labels: LabelSet | None, settings: Pretrained) -> NetworkClassifier:
    """Over these labels, or ImageNet's."""
    names = labels or imagenet_labels()
    device = str(device_of(settings.device))
    return NetworkClassifier(network, names, views=settings.views, mirror=settings.mirror, device=device)


def _key(settings: Linear | Finetuned, network: Network, train: Any, dev: Any, labels: LabelSet, seed: int) -> str:
    """A digest of all that decides the weights."""
    sets = [(images_key(images), targets.tolist()) for images, targets in ([train, dev] if dev else [train])]
    chosen = asdict(settings)
    chosen["network"] |= {"device": "", "weights": weights_key(network)}
    settings_text = json.dumps([chosen, list(labels), seed, sets], sort_keys=True, default=str)
    return hashlib.sha256(settings_text.encode()).hexdigest()
