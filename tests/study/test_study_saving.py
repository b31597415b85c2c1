"""Any system of a study as a model that `imagist.load` opens."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("timm")

import imagist
from imagist.bundle import open_bundle, trained_on
from imagist.study.run import run
from imagist.study.saving import save_system

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def result(colours, tmp_path_factory):
    return run(colours.study(), colours.paths(tmp_path_factory.mktemp("saved")))


def systems(result):
    return {(each.system.kind, each.system.fusion): each for each in result.systems}


@pytest.mark.parametrize(
    "which", [("text", ""), ("fused", "score"), ("fused", "features"), ("distilled", "score")], ids=str
)
def test_it_is_saved_and_classifies(result, colours, tmp_path, which):
    chosen = systems(result)[which]
    bundle = save_system(result, chosen, tmp_path / "model")
    assert chosen.system.name in bundle.description
    accuracy = open_bundle(tmp_path / "model").card["measured"]["accuracy"][chosen.system.kind]
    assert accuracy["value"] == pytest.approx(chosen.accuracy.value, abs=1e-4)
    opened = imagist.load(tmp_path / "model", threads=1)
    images = sorted((colours.data / "images").rglob("*.png"))
    predictions = list(opened(images))
    assert all(isinstance(each, imagist.Prediction) for each in predictions)
    right = np.mean([p.label == path.parent.name for p, path in zip(predictions, images, strict=True)])
    assert right > 0.6
    assert imagist.load(tmp_path / "model", threads=1).id == opened.id
    assert {*result.data.hashes.tolist()} <= {*trained_on(tmp_path / "model").tolist()}
