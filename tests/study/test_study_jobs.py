"""The fits of a study: keys by contents of files; one network and one reading of features per fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import study_cases as cases
from imagist.study import jobs
from imagist.study.config import Folds, ImageChoice, Study, TextChoice
from imagist.study.contents import Contents
from imagist.study.dataset import assemble, trials
from imagist.study.jobs import image_jobs, text_jobs
from imagist.study.store import Store
from imagist.training.classifiers.image import Finetuned, LabelMap, Linear, Pretrained, cached_features, open_network
from imagist.training.classifiers.text import Tfidf, Transformer, ZeroShot

pytestmark = pytest.mark.torch

NETWORK = Pretrained("test_resnet", "w.safetensors", side=32, device="cpu")
CAPTIONS = ("a warm fire", "some grass", "the deep sea") * 4


@pytest.fixture
def files(tmp_path):
    """A study's files, which tests change in place."""
    made = cases.Colours(tmp_path)
    made.data.mkdir()
    made.config.touch()
    return made


def keys(files, images=(), texts=()):
    """Of all fits of a study of one classifier."""
    data = cases.dataset(np.arange(12) % 3)
    every = [*trials(Folds(number=2, inner=2), data)]
    study = Study("x", None, image_classifiers=tuple(ImageChoice("p", each) for each in images),
                  text_classifiers=tuple(TextChoice("t", each) for each in texts))  # fmt: skip
    paths, contents = files.paths("out"), Contents()
    made = [
        *text_jobs(study, data, every, {"sat": CAPTIONS}, contents), *image_jobs(study, data, every, paths, contents)
    ]  # fmt: skip
    found = [key for job in made for key in job.keys]
    assert len({*found}) == len(found) == 2
    return found


@pytest.mark.parametrize("kind", [Linear, Finetuned, lambda network: LabelMap("imagenet/sns4", network=network)])
def test_weights_go_by_what_the_file_holds(files, kind):
    weights = files.data / "w.safetensors"
    weights.write_bytes(b"one")
    first = keys(files, [kind(network=NETWORK)])
    assert keys(files, [kind(network=NETWORK)]) == first
    weights.rename(files.data / "renamed.safetensors")
    assert keys(files, [kind(network=replace(NETWORK, weights="renamed.safetensors"))]) == first
    weights.write_bytes(b"two")
    assert not {*keys(files, [kind(network=NETWORK)])} & {*first}
    assert not {*keys(files, [kind(network=replace(NETWORK, weights=None))])} & {*first}


def test_a_label_map_goes_by_what_its_table_holds(files):
    table = files.root / "own.toml"
    table.write_text("[labels]\na = ['tench']\n")
    (files.data / "w.safetensors").touch()
    first = keys(files, [LabelMap("own.toml", network=NETWORK)])
    assert keys(files, [LabelMap("own.toml", network=NETWORK)]) == first
    table.write_text("[labels]\na = ['goldfish']\n")
    assert not {*keys(files, [LabelMap("own.toml", network=NETWORK)])} & {*first}
    assert keys(files, [LabelMap("imagenet/sns4", network=NETWORK)]) != keys(
        files, [LabelMap("imagenet/social12", network=NETWORK)]
    )


@pytest.mark.parametrize("kind", [Transformer, ZeroShot])
def test_a_language_model_is_keyed_by_the_contents_of_its_folder(files, kind):
    folder = files.root / "encoder"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"one")
    first = keys(files, texts=[kind(model=str(folder))])
    assert keys(files, texts=[kind(model=str(folder))]) == first
    (folder / "model.safetensors").write_bytes(b"two")
    second = keys(files, texts=[kind(model=str(folder))])
    assert not {*second} & {*first}
    (folder / "config.json").write_text("{}")
    assert not {*keys(files, texts=[kind(model=str(folder))])} & {*first, *second}
    named = [keys(files, texts=[kind(model=name)]) for name in ("bert-base-uncased", "bert-large-uncased")]
    assert named[0] != named[1]


def test_all_settings_make_another_fit(files):
    found = [keys(files, texts=[each]) for each in (Tfidf(), Tfidf(penalty=0.5), Tfidf(min_df=5))]
    assert len({key for of in found for key in of}) == 6


@pytest.mark.parametrize("kind", [Linear, LabelMap])
def test_a_fit_opens_one_network_and_reads_all_features_at_once(colours, tmp_path, monkeypatch, kind):
    study = colours.study()
    (choice,) = study.image_classifiers
    if kind is LabelMap:
        table = "\n".join(
            f"{label} = ['{name}']" for label, name in zip(cases.COLOURS, ("tench", "goldfish", "ostrich"), strict=True)
        )
        (tmp_path / "own.toml").write_text(f"[labels]\n{table}\n")
        choice = replace(choice, settings=LabelMap(str(tmp_path / "own.toml"), network=choice.settings.network))
    data = assemble(study.data, colours.data, Store(tmp_path / "store"), study.folds)
    (trial, _) = trials(study.folds, data)
    paths = colours.paths(tmp_path)
    read, opened = [], []

    def reading(network, settings, images, folder):
        read.append(len(images))
        return cached_features(network, settings, images, folder)

    monkeypatch.setattr(jobs, "cached_features", reading)
    monkeypatch.setattr(
        "imagist.training.classifiers.image.open_network", lambda *given: opened.append(1) or open_network(*given)
    )
    (job, _) = image_jobs(replace(study, image_classifiers=(choice,)), data, [trial, trial], paths, Contents())
    found = job.fit(0)
    inner = trial.inner[0]
    assert (read, opened) == ([len(inner.test) + len(trial.test_and_unlabelled)], [1])
    network = open_network(choice.settings.network, colours.data)
    for name, rows in (("validation", inner.test), ("test", trial.test_and_unlabelled)):
        images = [data.examples[i] for i in rows]
        alone = cached_features(network, choice.settings.network, images, paths.features)
        np.testing.assert_allclose(found[f"{name}_features"], alone, rtol=2e-3, atol=1e-3)  # kept as halves
        assert found[name].shape == (len(rows), 3)
        np.testing.assert_allclose(found[name].sum(axis=1), 1, atol=1e-5)
