"""A study's file: settings that are read and written, and faults that are reported at once."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest

import study_cases as cases
from imagist import settings
from imagist.errors import UsageError
from imagist.study.config import CaptionerChoice, Data, Folds, Fusions, Study
from imagist.study.run import run
from imagist.training.classifiers.image import Finetuned, LabelMap, Linear
from imagist.training.classifiers.text import Tfidf, Transformer, ZeroShot

SOURCES = {"data": {"sources": [{"path": "x.parquet"}]}}


def read(**tables):
    return settings.from_table({"name": "x", **SOURCES, **tables}, Study, "x.toml")


def faults(**tables):
    with pytest.raises(UsageError) as caught:
        read(**tables)
    return str(caught.value)


def test_a_study_needs_a_name_and_data_and_has_sound_defaults():
    study = read()
    assert study.folds == Folds(kind="stratified", number=5, seeds=(0,), inner=5, fits=1)
    assert study.fusion == Fusions(kinds=("score",), weights=21, distilled=False, chosen_by="nll")
    assert study.captioners == study.text_classifiers == study.image_classifiers == ()
    with pytest.raises(UsageError) as caught:
        settings.from_table({}, Study, "x.toml")
    assert "name: missing" in str(caught.value)
    assert "data: missing" in str(caught.value)


def test_every_kind_of_classifier_is_read_as_its_own_settings():
    texts = [{"name": kind, "settings": {"kind": kind}} for kind in ("tfidf", "transformer", "zeroshot")]
    images = [{"name": kind, "settings": {"kind": kind}} for kind in ("linear", "finetuned")]
    images.append({"name": "map", "settings": {"kind": "labelmap", "taxonomy": "imagenet/sns4"}})
    study = read(text_classifiers=texts, image_classifiers=images)
    assert [type(each.settings) for each in study.text_classifiers] == [Tfidf, Transformer, ZeroShot]
    assert [type(each.settings) for each in study.image_classifiers] == [Linear, Finetuned, LabelMap]


def test_what_is_read_can_be_written_and_read_again():
    table = {
        "text_classifiers": [{"name": "b", "settings": {"kind": "tfidf", "penalty": 0.01}}],
        "folds": {"seeds": [3, 4]},
    }
    study = read(captioners=[{"name": "c", "model": "m", "trained_on": ["train"]}], **table)
    assert settings.from_table(tomllib.loads(settings.to_toml(study)), Study, "again") == study


def test_all_faults_are_reported_at_once():
    said = faults(
        folds={"number": 1, "kind": "random"},
        fusion={"kinds": ["score", "sum"], "weights": 2},
        captioners=[{"model": "m", "beam": 0}],
        text_classifiers=[{"name": "t", "settings": {"kind": "tfidf", "min_df": 0}}],
    )
    wanted = (
        "folds.number", "folds.kind", "fusion.kinds[1]", "fusion.weights", "captioners[0].name", "captioners[0].beam",
        "text_classifiers[0].settings.min_df",
    )  # fmt: skip
    assert "7 faults" in said
    for each in wanted:
        assert each in said


def test_an_unknown_kind_lists_those_there_are():
    assert "'score', 'logit', 'stacking' or 'features'" in faults(fusion={"kinds": ["sum"]})
    assert "settings.kind" in faults(text_classifiers=[{"name": "t", "settings": {"kind": "bert"}}])
    assert "settings.kind" in faults(image_classifiers=[{"name": "p", "settings": {"kind": "cnn"}}])
    assert "did you mean 'fusion'" in faults(fusions={})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "neither a model nor a recipe"),
        ({"model": "embedded", "recipe": "tutorial.toml"}, "both a model and a recipe"),
    ],
)
def test_a_captioner_is_a_model_or_a_recipe(given, told):
    said = faults(captioners=[{"name": "fine", "model": "m"}, {"name": "mine", **given}], folds={"number": 1})
    assert f"captioners[1].model: {told} (give captioner mine one of the two)" in said
    assert "folds.number" in said


BAG = read(text_classifiers=[{"name": "bag", "settings": {"kind": "tfidf"}}]).text_classifiers[0]
MAP = read(
    image_classifiers=[{"name": "map", "settings": {"kind": "labelmap", "taxonomy": "imagenet/sns4"}}]
).image_classifiers[0]
RECORDED = CaptionerChoice("recorded", "x.csv", "recorded")
WHOLE = Study("x", Data(()), captioners=(RECORDED,), text_classifiers=(BAG,), image_classifiers=(MAP,))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"captioners": ()}, ["captioners has no entry"]),
        ({"text_classifiers": ()}, ["text_classifiers has no entry"]),
        ({"captioners": (), "text_classifiers": (), "image_classifiers": ()}, ["there is no classifier"]),
        (
            {"text_classifiers": (BAG, BAG), "image_classifiers": (MAP, MAP)},
            ["text_classifiers has 'bag' twice", "image_classifiers has 'map' twice"],
        ),
        ({"folds": Folds(seeds=())}, ["folds.seeds has no entry"]),
        ({"folds": Folds(seeds=(1, 1, -2))}, ["folds.seeds has 1 twice", "folds.seeds has -2, below 0"]),
        ({"fusion": Fusions(kinds=("logit", "logit"))}, ["fusion.kinds has 'logit' twice"]),
    ],
)
def test_what_makes_no_sense_together_is_refused_before_anything_is_read(tmp_path, changes, told):
    with pytest.raises(UsageError) as caught:
        run(replace(WHOLE, **changes), cases.Colours(tmp_path).paths(tmp_path / "out"))
    for each in told:
        assert each in str(caught.value)
    assert not (tmp_path / "out").exists()
