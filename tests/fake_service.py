"""A pipeline whose answers depend on the pixels alone, and applications that serve it."""

from __future__ import annotations

import io
import threading

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

import sample_parts
from imagist.classifiers.calibration import TemperatureCalibration
from imagist.classifiers.fusion.scores import ScoreFusion
from imagist.classifiers.taxonomy import identity
from imagist.pipeline import Pipeline
from imagist.records import Caption, Hypothesis
from imagist.serving.app import build_app
from imagist.serving.models import ServedModel
from imagist.serving.monitoring import Log
from imagist.serving.settings import ServerSettings

LABELS = sample_parts.LABELS
WORDS = ("a", "white", "dog", "in", "the", "street")


class FakeCaptioner:
    """Says how red the first pixel is; waits for `go`, and fails on an image of 2 x 2 pixels."""

    concurrent = True

    def __init__(self, nbest=1, language=""):
        self.id, self.nbest, self.language = f"fake({nbest},{language})", nbest, language
        self.go = threading.Event()
        self.go.set()
        self.batches = []

    def caption(self, photos):
        self.batches.append(len(photos))
        assert self.go.wait(20)
        if any(photo.size == (2, 2) for photo in photos):
            raise ValueError("secret of the model")
        return [self._one(photo) for photo in photos]

    def _one(self, photo):
        tokens = (*WORDS, *self.language.split(), str(photo.pixels[0, 0, 0]))
        maps = np.random.default_rng(0).random((len(tokens), 2, 3), np.float32)
        found = tuple(Hypothesis(" ".join(tokens) + " or so" * n, -1.5 - n) for n in range(self.nbest))
        return Caption(" ".join(tokens), -1.5, tokens, found, maps / maps.sum((1, 2), keepdims=True))


class ByColour:
    """Classifies by the mean colour."""

    id, concurrent, labels = "colour", True, LABELS

    def scores(self, photos):
        means = np.stack([photo.pixels.reshape(-1, 3).mean(0) + 1 for photo in photos])
        return (means / means.sum(1, keepdims=True)).astype(np.float32)


def pipeline(captioner=None, matcher=None):
    return Pipeline(
        captioner or FakeCaptioner(), sample_parts.text_classifier(1), ByColour(), identity(LABELS), ScoreFusion(0.25),
        TemperatureCalibration(by_weight=(1.0, 2.0, 1.0)), concurrency=2, matcher=matcher,
    )  # fmt: skip


class ByLength:
    """Matches images with texts by numbers that mean nothing."""

    id, concurrent, scale = "length", True, 10.0

    def images(self, photos):
        return _rows([int(photo.pixels.sum()) for photo in photos])

    def texts(self, texts):
        return _rows([sum(map(ord, text)) for text in texts])


def _rows(seeds):
    rows = np.stack([np.random.default_rng(seed).normal(size=8) for seed in seeds])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def model(name="fake", captioner=None, matcher=None):
    """Serves a captioner of English and German, which is told by its last word."""
    return ServedModel(
        name, pipeline(captioner, matcher), lambda code: FakeCaptioner(5, code or ""), ("en", "de"), concurrency=2
    )


def app(*models, log=None, **settings):
    """An application that decodes in threads and logs nothing, unless asked for otherwise."""
    own = ServerSettings(**{"decoders": 0, "page": False, **settings})
    served = models or (model(),)
    return build_app({each.name: each for each in served}, own, log or Log(quiet=True))


def client(*models, **settings):
    """A client of such an application; use it as a context."""
    return TestClient(app(*models, **settings), base_url="http://localhost", raise_server_exceptions=False)


def image(red=200, size=(24, 16), kind="png"):
    """An encoded image of one colour."""
    file = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), (red, 90, 30), np.uint8)).save(file, kind)
    return file.getvalue()


def files(*contents, name="images"):
    """Contents as the parts of a form."""
    return [(name, (f"{number}.png", content, "image/png")) for number, content in enumerate(contents)]
