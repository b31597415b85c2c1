"""The table of labelled images from several data sets."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import pyarrow as pa
import pyarrow.parquet as pq

from imagist.errors import DataError, UsageError
from imagist.matching.zero_shot import NONE
from imagist.training.embedded.labelled import Auxiliary, LabelledSets, write_labelled
from imagist.training.image_rows import ImageSource

pytestmark = pytest.mark.torch

MAIN = (ImageSource("main.parquet"),)


@pytest.fixture
def data(tmp_path):
    def write(name, **columns):
        number = len(next(iter(columns.values())))
        images = [{"bytes": f"{name}{i}".encode(), "path": f"{name}{i}.png"} for i in range(number)]
        pq.write_table(pa.table({"image": images, **columns}), tmp_path / f"{name}.parquet")

    dog, other = "a Dog runs", "an animal runs"
    write("main", label=["bird", "cat", "dog", "person"], split=["train", "dev", "train", "train"])
    write("labels", label=["barn", "goose", "tabby", "Chihuahua", "goose", "goose"], split=["train"] * 5 + ["dev"])
    write(
        "captions",
        captions=[
            [dog] * 5,
            [dog] * 4 + [other],
            [dog] * 3 + [other] * 2,
            [dog] * 4 + ["a dog and a man"],
            [other] * 5,
        ],
    )
    return tmp_path


def table(data, *auxiliary):
    path = data / "labelled.parquet"
    write_labelled(LabelledSets(MAIN, auxiliary), data, path)
    rows = pq.read_table(path).to_pylist()
    return [(row["image"]["bytes"].decode(), row["label"], row["split"], row["weight"]) for row in rows]


def labels(**settings):
    names = {"bird": ("goose",), "cat": ("tabby",), "dog": ("Chihuahua",)}
    return Auxiliary((ImageSource("labels.parquet", "train"),), labels=names, **settings)


def test_the_main_set_has_weight_one_and_its_own_splits(data):
    assert table(data) == [
        ("main0", "bird", "train", 1.0), ("main1", "cat", "dev", 1.0), ("main2", "dog", "train", 1.0),
        ("main3", "person", "train", 1.0),
    ]  # fmt: skip


def test_labels_of_another_set_are_mapped(data):
    assert table(data, labels(weight=0.5))[4:] == [
        ("labels1", "bird", "train", 0.5), ("labels2", "cat", "train", 0.5), ("labels3", "dog", "train", 0.5),
        ("labels4", "bird", "train", 0.5),
    ]  # fmt: skip
    assert [row[0] for row in table(data, labels(max_per_class=1))[4:]] == ["labels1", "labels2", "labels3"]


def test_what_is_none_of_the_classes_is_a_label_of_its_own(data):
    names = {NONE: ("barn", "goose")}
    others = Auxiliary((ImageSource("labels.parquet", "train"),), labels=names, max_per_label=1)
    assert [row[:2] for row in table(data, others)[4:]] == [("labels0", NONE), ("labels1", NONE)]


def test_an_image_belongs_to_the_one_class_that_most_of_its_captions_name(data):
    words = {"dog": ("dog", "dogs"), "person": ("man",)}
    captions = Auxiliary((ImageSource("captions.parquet"),), words=words)
    assert [row[:2] for row in table(data, captions)[4:]] == [("captions0", "dog"), ("captions1", "dog")]


def test_a_class_that_the_main_set_lacks_is_an_error(data):
    with pytest.raises(DataError, match="main set: horse"):
        table(data, Auxiliary(MAIN, labels={"horse": ("barn",)}))


def test_an_auxiliary_set_has_either_labels_or_words():
    for settings in ({}, {"labels": {"a": ("b",)}, "words": {"a": ("b",)}}):
        with pytest.raises(UsageError, match="either"):
            Auxiliary(MAIN, **settings)
