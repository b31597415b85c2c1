"""The command behind `make train-embedded`: what it says when it cannot begin."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("onnx")

from imagist.training.embedded import train as embedded
from imagist.training.embedded.images import Encoded, PhotoSet
from imagist.training.embedded.train import SHARES, STAGES, TAXONOMIES, VIEWS, Training, corpus_of, main

pytestmark = pytest.mark.torch


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setattr(embedded.logging, "basicConfig", lambda **options: [h.close() for h in options["handlers"]])
    monkeypatch.setattr(embedded.torch, "set_num_threads", lambda number: None)
    monkeypatch.delenv("IMAGIST_DATA", raising=False)


def test_without_images_it_says_how_to_name_them(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "--data or IMAGIST_DATA" in capsys.readouterr().err


def test_an_empty_folder_of_images_is_one_line_with_the_remedy(tmp_path, capsys):
    arguments = ["encoder", "--data", str(tmp_path), "--folder", str(tmp_path / "run"), "--bundle", str(tmp_path / "b")]
    assert main(arguments) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: ")
    assert "IMAGIST_DATA" in said[0]


def test_an_unknown_stage_lists_the_known(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["everything", "--data", str(tmp_path)])
    said = capsys.readouterr().err
    assert all(stage in said for stage in STAGES)


def test_stages_run_in_the_order_asked_for(tmp_path, monkeypatch):
    ran = []
    for stage in STAGES:
        monkeypatch.setattr(Training, stage, lambda self, stage=stage: ran.append(stage))
    where = ["--data", str(tmp_path), "--folder", str(tmp_path / "run")]
    assert main(["grids", "encoder", *where]) == 0
    assert main(where) == 0
    assert ran == ["grids", "encoder", "bundle", "card"]


def test_the_card_is_written_beside_the_bundle(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "bundle").mkdir()
    (tmp_path / "run" / "measured.json").write_text(json.dumps({"found": 1}))
    monkeypatch.setattr(
        embedded.modelcard, "model_card", lambda measured, folder: f"# {measured['found']} {folder.name}"
    )
    Training(tmp_path, tmp_path / "run", tmp_path / "bundle").card()
    assert (tmp_path / "bundle" / "MODEL_CARD.md").read_text() == "# 1 bundle"


def test_there_are_views_for_each_set_and_a_fusion_for_each_built_in_taxonomy():
    from imagist.classifiers.taxonomy import built_in_names
    from imagist.training.encoders.distillation import DistilConfig

    assert len(VIEWS) == len(SHARES) == len(DistilConfig().shares)
    assert sum(DistilConfig().shares) == pytest.approx(1)
    assert {*TAXONOMIES} == {*built_in_names()}


def test_a_set_speaks_with_its_own_sentences_or_with_those_of_its_labels():
    grids = np.zeros((2, 3, 4, 6), np.float16)
    pixels = np.zeros((2, 2, 2, 3), np.uint8)
    told = corpus_of(Encoded(PhotoSet("a", pixels, captions=(("A Dog.", "..."), ("A cat!", "Two cats"))), grids))
    assert told.captions == [[("en", "a dog")], [("en", "a cat"), ("en", "two cats")]]
    named = corpus_of(Encoded(PhotoSet("b", pixels, labels=("cat", "bee")), grids))
    assert "bee" in named.sample(1, 1, np.random.default_rng(0))[0][1]
    for corpus in (told, named):
        assert len(corpus) == 2
        assert corpus.features.rows is grids


def test_its_vocabulary_knows_all_that_labels_may_need():
    training = object.__new__(Training)
    grids = np.zeros((1, 1, 4, 6), np.float16)
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    rare = ("a dog",) * 4 + ("a zebu",)
    sets = [PhotoSet("a", pixels, captions=(rare,)), PhotoSet("b", pixels, labels=("banana",))]
    words = training._vocabulary([corpus_of(Encoded(photos, grids)) for photos in sets])
    assert {"a", "dog", "banana"} <= {*words.lines}
    assert "zebu" not in words.lines
