"""A pipeline without a model: what it says depends on the pixels alone, so that any two runs must agree."""

from __future__ import annotations

import os
import time

import numpy as np

from imagist import pipeline
from imagist.captioning import loading as captioner
from imagist.classifiers.fusion import ScoreFusion
from imagist.records import Caption, Hypothesis, LabelSet, Prediction

LABELS = LabelSet(("cat", "dog", "food"))


class FakeCaptioner:
    def __init__(self, nbest=1, attention=True):
        self.id = f"fake(nbest={nbest})"
        self.concurrent = True
        self.nbest = nbest
        self.attention = attention

    def caption(self, photos):
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        return [self._one(photo) for photo in photos]

    def _one(self, photo):
        red, green, blue = (int(c) for c in photo.pixels[0, 0])
        tokens = ("red", str(red), "green", str(green), "blue", str(blue))
        cells = np.random.default_rng(red).random((len(tokens), 7, 7), np.float32)
        hypotheses = [Hypothesis(f"{' '.join(tokens)}{' or so' * n}", -1.5 - n) for n in range(self.nbest)]
        maps = cells / cells.sum((1, 2), keepdims=True) if self.attention else None
        return Caption(" ".join(tokens), -1.5, tokens, tuple(hypotheses), maps)


class FakePipeline:
    labels = LABELS
    concurrency = 1

    def __init__(self, taxonomy=None, abstain_below=0.0, nbest=1, attention=True):
        self.ids = {"captioner": "fake", "taxonomy": taxonomy or "own", "abstain_below": str(abstain_below)}
        self.id = "/".join(self.ids.values())
        self.abstain_below = abstain_below
        self.fusion = ScoreFusion(0.25)
        self.captioner = FakeCaptioner(nbest, attention)

    def predict(self, photos):
        return [self._one(*pair) for pair in zip(photos, self.captioner.caption(photos), strict=True)]

    def _one(self, photo, caption):
        image = photo.pixels.reshape(-1, 3).mean(0) + 1
        image = (image / image.sum()).astype(np.float32)
        text = np.roll(image, 1)
        joint = (0.75 * image + 0.25 * text).astype(np.float32)
        abstained = bool(joint.max() < self.abstain_below)
        return Prediction(photo.source, caption, LABELS, joint, image, text, abstained)


def fake_load(model="embedded", *, taxonomy=None, abstain_below=0.0, nbest=1, attention=True, **_):
    return FakePipeline(taxonomy, abstain_below, nbest, attention)


def fake_open_captioner(model="embedded", options=None, *, kind=None, cache=None):
    return FakeCaptioner(options.decoding.nbest if options else 1)


def install():
    """For subprocesses, where nothing can be monkeypatched."""
    pipeline.load = fake_load
    captioner.open_captioner = fake_open_captioner
