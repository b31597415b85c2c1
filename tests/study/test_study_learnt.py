"""A study says which of its captioners and networks learnt from its test images."""

from __future__ import annotations

import numpy as np
import pytest

import study_cases as cases
from imagist.bundle import write_trained_on
from imagist.datasets.folds import Fold
from imagist.study.captions import Paths
from imagist.study.config import CaptionerChoice, Data, ImageChoice, Study
from imagist.study.dataset import Trial
from imagist.study.learnt import learnt_from_test
from imagist.training.classifiers.image import Linear, Pretrained

pytestmark = pytest.mark.torch

TARGETS = [0, 1, 2] * 4


def test_test_images_among_those_that_a_model_learnt_from_are_counted(tmp_path, caplog):
    hashes = np.random.default_rng(1).integers(0, 2**63, 12).astype(np.uint64)
    data = cases.dataset(TARGETS, hashes=hashes)
    fold = Fold(np.arange(8), np.arange(8, 12))
    trials = [Trial(0, 0, fold, (), np.array([], np.int64))]
    for name, learnt in (("close", hashes[[0, 1, 9, 10]] ^ np.uint64(0b101)), ("other", hashes[:8])):
        (tmp_path / name).mkdir()
        write_trained_on(tmp_path / name, learnt)
    weights = tmp_path / "close" / "network.safetensors"
    weights.touch()
    study = Study(
        "s",
        Data(()),
        captioners=(
            CaptionerChoice("a", str(tmp_path / "close")),
            CaptionerChoice("b", str(tmp_path / "other")),
            CaptionerChoice("c", "hub/published", kind="blip"),
            CaptionerChoice("d", str(tmp_path / "close" / "captions.csv"), kind="recorded"),
        ),
        image_classifiers=(
            ImageChoice("net", Linear(network=Pretrained(weights=weights.name))),
            ImageChoice("plain", Linear()),
        ),
    )
    paths = Paths(tmp_path / "close", tmp_path / "s.toml", tmp_path)
    captioner, network = learnt_from_test(study, data, trials, paths)
    assert captioner.startswith("The captioner a learnt from 2 of the 4 test images")
    assert network.startswith("The network of net learnt from 2 of the 4 test images")
    assert captioner in caplog.text
