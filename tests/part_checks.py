"""What every part must do, of any kind and by any author: be declared, saved, opened again alone and in a model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

import imagist
from imagist import registry
from imagist.bundle import PARTS
from imagist.captioning.loading import card_decoding
from imagist.captioning.options import CaptionOptions
from imagist.images.encoder import Encoders
from imagist.protocols import (
    Calibration,
    Captioner,
    FeatureLevelFusion,
    Fusion,
    ImageClassifier,
    Matcher,
    TextClassifier,
)

PROTOCOLS = {
    "captioners": Captioner,
    "text_classifiers": TextClassifier,
    "image_classifiers": ImageClassifier,
    "fusions": (Fusion, FeatureLevelFusion),
    "calibrations": Calibration,
    "matchers": Matcher,
}
FOLDERS = {kinds: folder for folder, kinds in PARTS.items()}
"""For each kind of part its folder in a model, which is also its name in a pipeline."""


def check_part(kinds, name, part, pipeline, photos, folder):
    """Checks a part.

    Args:
        kinds: Its kind in the registry, such as ``captioners``.
        name: Its name there.
        part: The part.
        pipeline: A pipeline for it to take a place in.
        photos: What the pipeline predicts.
        folder: Receives models.
    """
    assert isinstance(part, PROTOCOLS[kinds])
    assert part.concurrent in (True, False)
    assert part.id.strip() == part.id != ""
    own = replace(pipeline, **{FOLDERS[kinds]: part})
    expected = own.predict(photos)
    if part.concurrent:
        with ThreadPoolExecutor(2) as pool:
            for found in pool.map(own.predict, [photos] * 4):
                assert_same(found, expected)

    bundle = own.save(folder / "model", "model")
    saved = bundle.part(FOLDERS[kinds])
    assert saved.kind == name
    opened = open_alone(kinds, saved)
    assert opened.id == part.id
    assert_same(replace(own, **{FOLDERS[kinds]: opened}).predict(photos), expected)
    again = replace(own, **{FOLDERS[kinds]: opened}).save(folder / "again", "model")
    assert open_alone(kinds, again.part(FOLDERS[kinds])).id == part.id

    bundle.path.rename(folder / "moved")
    loaded = imagist.load(folder / "moved", threads=1, encoder="embedded")
    assert loaded.id == own.id
    assert_same(loaded.predict(photos), expected)


def open_alone(kinds, folder):
    """A part of a model through its kind's loader, by itself."""
    options = CaptionOptions(card_decoding(folder), encoders=Encoders())
    return registry.find(kinds, folder.kind)(str(folder.path), options)


def assert_same(found, expected):
    """Predictions are equal to the bit."""
    for one, other in zip(found, expected, strict=True):
        assert (one.source, one.label, one.caption.text) == (other.source, other.label, other.caption.text)
        for rows in ("probabilities", "image_probabilities", "text_probabilities"):
            np.testing.assert_array_equal(getattr(one, rows), getattr(other, rows))
