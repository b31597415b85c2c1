"""The figures of a pipeline, on tables of a few rows and a pipeline whose answers are given."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from imagist.classifiers.fusion import ScoreFusion
from imagist.classifiers.taxonomy import Taxonomy, identity
from imagist.errors import DataError
from imagist.pipeline import Pipeline
from imagist.records import Caption, LabelSet
from imagist.training.embedded import measure

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

LABELS = LabelSet(("cat", "dog", "car"))
CAPTIONS = {0: "a cat sits on a red chair", 1: "a dog runs on green grass", 2: "a car stands on the street"}


class Part:
    """Knows a photo by the red of its first pixel, and its class by its caption; takes every third for a cat."""

    id, labels = "part", LABELS

    def caption(self, photos):
        return [Caption(CAPTIONS[int(photo.pixels[0, 0, 0]) // 100], -1.0) for photo in photos]

    def scores(self, items):
        known = {said: i for i, said in CAPTIONS.items()}
        classes = [known[i] if isinstance(i, str) else int(i.pixels[0, 0, 0]) // 100 for i in items]
        return (0.1 + 0.7 * np.eye(3)[classes]).astype(np.float32)


def pipeline(taxonomy=None):
    part = Part()
    return Pipeline(part, part, part, taxonomy or identity(LABELS), ScoreFusion(0.5))


def png(number):
    file = io.BytesIO()
    Image.new("RGB", (4, 4), (100 * number, 0, 0)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": f"{number}.png"}


@pytest.fixture
def table(tmp_path):
    def write(*rows):
        pq.write_table(pa.Table.from_pylist(list(rows)), tmp_path / "t.parquet")
        return [tmp_path / "t.parquet"]

    return write


def row(number, label=None, split="dev"):
    return {
        "image": png(number),
        "label": label or LABELS.names[number],
        "split": split,
        "captions": [CAPTIONS[number]] * 5,
    }


def test_captions_that_are_the_references_get_the_highest_scores(table):
    figures = measure.captions(pipeline(), table(*(row(i) for i in (0, 1, 2))), "dev")
    assert {*figures} == {"BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr"}
    for name, figure in figures.items():
        assert figure.value == pytest.approx(10 if name == "CIDEr" else 1, abs=1e-6)
        assert figure.low <= figure.value + 1e-9
        assert figure.high >= figure.value - 1e-9


def test_accuracy_counts_only_the_split(table):
    rows = [row(0), row(1), row(2), row(0, "dog"), row(1, "cat", "train")]
    figures = measure.classes(pipeline(), table(*rows), "dev")
    assert figures["photos"] == 4
    for name in ("image", "text", "fused"):
        assert figures[name].value == pytest.approx(0.75)
        assert figures[name].low < 0.75 < figures[name].high
    assert figures["ece"] == pytest.approx(0.05, abs=1e-5)  # as sure as 0.8, right in 0.75


def test_images_of_no_category_are_left_out(table):
    pets = Taxonomy("pets", LabelSet(("pet", "wild")), {"pet": ("cat",), "wild": ("dog",)})
    figures = measure.classes(pipeline(pets), table(*(row(i) for i in (0, 1, 2, 2, 2))), "dev")
    assert figures["photos"] == 2
    assert figures["fused"].value == 1


def test_an_image_that_fails_stops_the_measuring_by_name(table):
    broken = {**row(0), "image": {"bytes": b"garbage", "path": "x.png"}}
    with pytest.raises(DataError, match="an image failed"):
        measure.classes(pipeline(), table(row(0), broken), "dev")


def test_a_split_without_images_is_an_error(table):
    with pytest.raises(DataError, match="no images of the split 'test'"):
        measure.captions(pipeline(), table(row(0)), "test")


def test_figures_can_be_written_as_json(table):
    import json

    figures = measure.classes(pipeline(), table(row(0), row(1)), "dev")
    text = json.dumps(figures, default=vars)
    assert SimpleNamespace(**json.loads(text)["fused"]).value == 1
