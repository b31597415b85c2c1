"""The most probable things of an encoder's own classes."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import imagist
import space_models
from imagist.bundle import npz, open_folder, write_part
from imagist.classifiers.image.imagenet import imagenet_labels, imagenet_names
from imagist.classifiers.recognition import recognised_by
from imagist.errors import UsageError
from imagist.images.encoder import load
from imagist.protocols import PartOptions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return space_models.write(tmp_path_factory.mktemp("space") / "model").path / "encoder"


def test_the_most_probable_classes_by_name(folder, photos):
    encoder = load(str(folder), PartOptions())
    found = imagist.recognise(encoder, photos, 5)
    rows = encoder.classes(encoder.grids(photos))
    assert len(found) == len(photos)
    for things, row in zip(found, rows, strict=True):
        assert [thing.probability for thing in things] == pytest.approx(np.sort(row)[::-1][:5].tolist())
        assert [imagenet_labels().index(thing.label) for thing in things] == np.argsort(-row, kind="stable")[
            :5
        ].tolist()
        assert all(thing.name == imagenet_names()[thing.label][1] for thing in things)
    assert imagist.recognise(encoder, []) == []
    assert len(imagist.recognise(encoder, photos[:1])[0]) == 10
    (everything,) = imagist.recognise(encoder, photos[:1], 1000)
    assert sum(thing.probability for thing in everything) == pytest.approx(1, abs=1e-4)
    assert {thing.label for thing in everything} == {*imagenet_labels()}


@pytest.mark.parametrize("k", [0, 1001])
def test_a_number_out_of_range(folder, photos, k):
    with pytest.raises(UsageError, match=r"1\.\.1000"):
        imagist.recognise(load(str(folder), PartOptions()), photos[:1], k)


def test_other_classes_have_no_names(folder, photos, tmp_path):
    graph = open_folder(folder).read("encoder.onnx")
    classes = npz(weight=np.zeros((1280, 7), np.float32), bias=np.zeros(7, np.float32))
    write_part(tmp_path / "encoder", "onnx", {}, None, encoder__onnx=graph, classes__npz=classes)
    with pytest.raises(UsageError, match="7 classes"):
        imagist.recognise(load(str(tmp_path / "encoder"), PartOptions()), photos[:1])
    part = SimpleNamespace(encoder=load(str(tmp_path / "encoder"), PartOptions()))
    assert recognised_by(part, photos) == [()] * len(photos)


def test_a_part_recognises_by_its_encoder_and_one_without_nothing(folder, photos):
    encoder = load(str(folder), PartOptions())
    found = recognised_by(SimpleNamespace(encoder=encoder), photos, 3)
    for things, expected in zip(found, imagist.recognise(encoder, photos, 3), strict=True):
        assert [thing.probability for thing in things] == sorted((t.probability for t in things), reverse=True)
        assert {thing.name for thing in things} == {thing.name for thing in expected}
    assert recognised_by(object(), photos) == [()] * len(photos)
