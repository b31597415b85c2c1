"""`imagist train caption`, up to where training begins, and what comes after it."""

from __future__ import annotations

import json

import pytest

from imagist.cli.main import main

pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("timm")
pytest.importorskip("matplotlib")

from imagist.cli.train import Curves

pytestmark = pytest.mark.torch

RECIPE = """
name = "small"
[data]
train = [{ path = "train.parquet" }]
dev = [{ path = "dev.parquet" }]
[cross_entropy]
epochs = 2
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.delenv("IMAGIST_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("imagist.training.logs.logged", lambda folder: None)
    (tmp_path / "small.toml").write_text(RECIPE)
    return "small.toml"


def test_without_images_it_says_how_to_name_them(recipe, capsys):
    assert main(["train", "caption", recipe]) == 2
    assert "IMAGIST_DATA" in capsys.readouterr().err


def test_every_fault_of_the_recipe_is_reported(recipe, capsys):
    arguments = [
        "train",
        "caption",
        recipe,
        "--data",
        ".",
        "--set",
        "cross_entropy.epocs=3",
        "--set",
        "cross_entropy.learning_rate=-1",
    ]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "cross_entropy.epocs" in said
    assert "cross_entropy.learning_rate" in said
    assert "Traceback" not in said


def test_data_that_is_not_there_is_named(recipe, capsys):
    assert main(["train", "caption", recipe, "--data", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_recipe_goes_to_training_and_its_outcome_to_the_report(recipe, tmp_path, monkeypatch, capsys):
    from imagist.training.captioners.train import Outcome

    seen = {}

    def train(recipe, data, folder, features, curves):
        seen.update(recipe=recipe, data=data, folder=folder, features=features)
        curves("cross_entropy", 3, {"loss": 2.0})
        return Outcome(folder, {"recipe": {}}, ())

    monkeypatch.setattr("imagist.training.captioners.train.train", train)
    monkeypatch.setattr("imagist.report.training.write_report", lambda *given: seen.update(report=given))
    assert main(["train", "caption", recipe, "--data", ".", "--set", "cross_entropy.epochs=7"]) == 0
    assert seen["recipe"].cross_entropy.epochs == 7
    assert str(seen["folder"]) == "runs/small"
    assert "epochs = 7" in seen["report"][3]
    assert capsys.readouterr().out.strip() == "runs/small/report.html"
    assert json.loads((tmp_path / "runs/small/curves.jsonl").read_text()) == {
        "phase": "cross_entropy",
        "step": 3,
        "loss": 2.0,
    }


def test_a_matcher_is_trained_from_its_recipe(recipe, tmp_path, monkeypatch, capsys):
    (tmp_path / "matcher.toml").write_text("""
name = "pairs"
wordnet = "wordnet"
[data]
captions = [{ path = "train.parquet" }]
words = { groups = { pet = "151-155" } }
class_names = { groups = {}, kinds = {}, frames = { thing = ["{a}"] } }
[backbone]
name = "mobilenetv2_100"
""")
    seen = []

    def train(recipe, data, folder, curves):
        seen.append((recipe.texts.steps, folder))
        return folder / "matcher"

    monkeypatch.setattr("imagist.training.matchers.train.train", train)
    assert main(["train", "matcher", "matcher.toml", "--data", ".", "--set", "texts.steps=7"]) == 0
    assert [(steps, str(folder)) for steps, folder in seen] == [(7, "runs/pairs")]
    assert capsys.readouterr().out.strip() == "runs/pairs/matcher"


def test_a_folder_that_cannot_be_written_to_is_named(recipe, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["train", "caption", recipe, "--data", ".", "--folder", "file"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("imagist: file: cannot be written to")
    assert "Traceback" not in said


def test_tensorboard_gets_the_curves_where_it_is_installed(tmp_path):
    pytest.importorskip("tensorboard")
    curves = Curves(tmp_path, tensorboard=True)
    curves("cross_entropy", 1, {"loss": 3.0})
    assert list((tmp_path / "tensorboard").iterdir())


def test_without_tensorboard_the_remedy_is_named(tmp_path, monkeypatch):
    import sys

    from imagist.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match="pip install"):
        Curves(tmp_path, tensorboard=True)


def test_an_encoder_s_recipe_goes_to_its_distillation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("imagist.training.logs.logged", lambda folder: None)
    seen = {}

    def train(recipe, data, folder, curves):
        seen.update(recipe=recipe, folder=folder)
        return folder / "encoder.safetensors"

    monkeypatch.setattr("imagist.training.encoders.distillation.train.train", train)
    source = "[{ path = 'a.parquet' }]"
    (tmp_path / "e.toml").write_text(
        f'name = "e"\nteacher = "t"\n[data]\ndev = {source}\n[[data.train]]\nsources = {source}'
    )
    assert main(["train", "encoder", "e.toml", "--data", ".", "--set", "whole.steps=7"]) == 0
    assert seen["recipe"].whole.steps == 7
    assert capsys.readouterr().out.strip() == "runs/e/encoder.safetensors"
    assert main(["train", "encoder", "e.toml", "--data", ".", "--set", "whole.stops=7"]) == 2
    assert "whole.stops" in capsys.readouterr().err
