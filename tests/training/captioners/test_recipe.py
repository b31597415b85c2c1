"""What a captioner's TOML file may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagist import settings
from imagist.errors import UsageError
from imagist.training.captioners.recipe import Recipe

LEAST = {"name": "mine", "data": {"train": [{"path": "train.parquet"}], "dev": [{"path": "dev.parquet"}]}}
FOLDER = Path(__file__).parents[3] / "configs" / "captioners"
CONFIGS = sorted({*FOLDER.glob("*.toml")} - {FOLDER / "flickr8k.toml"})  # which the others extend


def test_a_name_and_data_are_enough():
    recipe = settings.from_table(LEAST, Recipe, "mine.toml")
    assert Path(recipe.data.train[0].path) == Path("train.parquet")
    assert recipe.decoder["kind"] == "attention"
    assert recipe.self_critical.steps == 0


def test_every_fault_is_reported_at_once_by_its_place():
    table = LEAST | {
        "cross_entropy": {"epochs": 0, "label_smoothing": 1.5, "epoch": 3},
        "self_critical": {"samples_per_image": 1},
        "backbone": {"min_crop_area": 0.0, "mean": [0.5, 0.5]},
        "search": {"beam": "wide"},
        "seed": "x",
    }
    with pytest.raises(UsageError) as caught:
        settings.from_table(table, Recipe, "mine.toml")
    for place in (
        "cross_entropy.epochs", "cross_entropy.label_smoothing", "cross_entropy.epoch",
        "self_critical.samples_per_image", "backbone.min_crop_area", "backbone.mean",
        "search.beam", "seed",
    ):  # fmt: skip
        assert place in str(caught.value), place


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_the_recipes_that_are_committed_can_be_read_and_built(file):
    recipe = settings.read(file, Recipe)
    if "name" in recipe.decoder.get("language_model", {}):
        return  # from a hub
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from imagist.training.networks.build import build

    decoder = build(recipe.decoder, words=50, channels=24, cells=49, max_length=recipe.data.max_length)
    assert decoder.words == 50
    assert recipe.search.max_length <= recipe.data.max_length
    assert recipe.data.train
    assert recipe.data.dev


def test_a_recipe_written_is_the_recipe_read(tmp_path):
    recipe = settings.from_table(LEAST, Recipe, "mine.toml")
    (tmp_path / "a.toml").write_text(settings.to_toml(recipe), "utf-8")
    assert settings.read(tmp_path / "a.toml", Recipe) == recipe
