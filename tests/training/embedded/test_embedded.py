"""The command behind `make train-embedded`, and a tiny embedded model that it trains from the shipped recipes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("accelerate")
pytest.importorskip("onnxscript")

import pyarrow.parquet as pq

from imagist import settings
from imagist.bundle import MODEL_CARD, open_bundle
from imagist.captioning.hedging import DETECTOR, TABLE
from imagist.classifiers.taxonomy import built_in, built_in_names
from imagist.matching.zero_shot import NONE
from imagist.pipeline import load
from imagist.training import logs
from imagist.training.captioners.recipe import Recipe
from imagist.training.embedded.labelled import LabelledSets
from imagist.training.embedded.train import TAXONOMIES, main
from imagist.training.encoders.distillation.recipe import DistillationRecipe
from imagist.training.encoders.runtimes import on_device
from imagist.training.fit.settings import FitSettings
from imagist.training.matchers import images, texts
from imagist.training.matchers.recipe import MatcherRecipe
from tiny_checkpoints import bert
from tiny_data import image, write_data
from tiny_wordnet import write_wordnet

pytestmark = pytest.mark.torch

CONFIGS = Path(__file__).parents[3] / "configs" / "embedded"
TINY = [
    "encoder.image_size=64", "encoder.stages.steps=1", "encoder.stages.image_sizes=[32]", "encoder.whole.steps=2",
    "encoder.whole.image_sizes=[64]", "encoder.optimization.batch_size=2", "encoder.device=cpu",
    "captioner.backbone.image_size=64", "captioner.data.min_count=1",
    "captioner.decoder.width=16", "captioner.decoder.heads=2", "captioner.decoder.layers=1",
    'captioner.data.unlabelled=[{sources=[{path="more.parquet"}], share=0.3, least_worth=-1.0}]',
    "captioner.data.sentences.framed=1", "captioner.data.sentences.exchanged=0", "captioner.backbone.views=2",
    "captioner.cross_entropy.epochs=2", "captioner.cross_entropy.batch_size=4", "captioner.self_critical.steps=1",
    "classifiers.text_classifier.min_df=1",
    "captioner.self_critical.batch_size=4", "captioner.self_critical.eval_every=1",
    "matcher.wordnet=wordnet", "matcher.backbone.image_size=64", "matcher.data.fewest_images=1",
    "matcher.data.sentences.phrases=[]", "matcher.images.steps=2", "matcher.images.batch_size=4",
    "matcher.texts.steps=2", "matcher.texts.batch_size=8", "matcher.texts.width=8", "matcher.texts.embedding_size=8",
    "matcher.device=cpu",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setattr(logs, "logged", lambda path: None)
    monkeypatch.delenv("IMAGIST_DATA", raising=False)


def test_without_a_data_folder_the_error_names_the_option(capsys):
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 2
    assert "--data or IMAGIST_DATA" in capsys.readouterr().err


def test_an_empty_data_folder_is_an_error_of_one_line_with_its_remedy(tmp_path, capsys):
    write_wordnet(tmp_path / "wordnet")
    arguments = ["--configs", str(CONFIGS), "--data", str(tmp_path), "--folder", str(tmp_path / "run")]
    assert main([*arguments, "--set", "matcher.wordnet=wordnet", "--bundle", str(tmp_path / "b")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert "--data" in lines[0]


def test_without_wordnet_the_error_comes_before_hours_of_training(tmp_path, capsys):
    arguments = ["--configs", str(CONFIGS), "--data", str(tmp_path), "--folder", str(tmp_path / "run")]
    assert main([*arguments, "--set", "matcher.wordnet=nowhere"]) == 2
    assert "apt-get install wordnet-base" in capsys.readouterr().err


def test_a_change_to_an_unknown_step_lists_the_steps(tmp_path, capsys):
    arguments = ["--data", str(tmp_path), "--folder", str(tmp_path / "run"), "--set", "decoder.epochs=1"]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "no step 'decoder'" in error
    assert "encoder, captioner, matcher, labelled, classifiers" in error


def test_the_recipes_are_valid_and_cover_the_built_in_taxonomies():
    encoder = settings.read(CONFIGS / "encoder.toml", DistillationRecipe)
    captioner = settings.read(CONFIGS / "captioner.toml", Recipe)
    matcher = settings.read(CONFIGS / "matcher.toml", MatcherRecipe)
    labelled = settings.read(CONFIGS / "labelled.toml", LabelledSets)
    classifiers = settings.read(CONFIGS / "classifiers.toml", FitSettings)
    assert len(encoder.data.train) == 4
    assert len(captioner.data.labelled) == len(captioner.data.unlabelled) == 1
    assert captioner.data.label_sentences is not None
    assert [each.name for each in matcher.backbone.every()] == [each.name for each in captioner.backbone.every()]
    assert captioner.data.class_names is not None
    assert captioner.data.max_length == captioner.search.max_length
    assert {name for each in labelled.auxiliary for name in (*each.labels, *each.words)} <= {
        *built_in("photos15").labels,
        NONE,
    }
    assert {*TAXONOMIES} == {*built_in_names()} == {"photos15", *classifiers.taxonomies}


@pytest.fixture
def data(tmp_path):
    """A few images under the names of the data sets that the recipes read, and a sentence encoder."""
    folder = write_data(tmp_path / "data")
    bert(folder / "teacher")
    return folder


@pytest.mark.slow
def test_a_tiny_model_is_trained_measured_and_not_trained_again(data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(texts, "MOST_NAMES", 1)  # of each class
    monkeypatch.setattr(texts, "wordnet_nouns", lambda wordnet, pieces: [])
    monkeypatch.setattr(images, "runner", lambda encoder, side, device: on_device(encoder, device))  # without an export
    run, bundle = tmp_path / "run", tmp_path / "embedded"
    arguments = ["--configs", str(CONFIGS), "--data", str(data), "--folder", str(run), "--bundle", str(bundle)]
    changes = [*TINY, f"matcher.teacher={data / 'teacher'}"]
    arguments += [part for change in changes for part in ("--set", change)]
    assert main(arguments) == 0, capsys.readouterr().err
    opened = open_bundle(bundle)
    assert opened.name == "embedded"
    assert opened.description.endswith("16 classes")
    assert opened.version in (bundle / MODEL_CARD).read_text("utf-8")
    rows = pq.read_table(run / "labelled.parquet").to_pylist()
    auxiliary = [row["label"] for row in rows if row["weight"] < 1]
    assert auxiliary == ["bird", "cat", "food", "butterfly", *["dog", "car"] * 5, NONE, NONE]
    (prediction,) = load(bundle, taxonomy="sns4")([image(1)["bytes"]])
    assert prediction.label in {*built_in("sns4").labels, NONE}
    assert prediction.caption.text
    assert opened.has("matcher")
    assert {TABLE, DETECTOR} <= {*opened.part("captioner").files}
    (named,) = load(bundle, labels=["dog", "car"])([image(1)["bytes"]])
    assert named.label in ("dog", "car", NONE)

    shutil.rmtree(data / "weights")  # a step that ran again would need it
    before = opened.version, (run / "labelled.parquet").stat().st_mtime_ns
    assert main(arguments) == 0
    assert (open_bundle(bundle).version, (run / "labelled.parquet").stat().st_mtime_ns) == before
