"""The plugins of docs/extending.md: every block of the page is executed, and every plugin does what parts must do."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import imagist
from imagist import registry
from imagist.bundle import PARTS
from imagist.cli.main import main
from imagist.datasets.labels import Source, read
from imagist.errors import DataError
from imagist.pipeline import load
from imagist.records import Photo
from part_checks import FOLDERS, check_part

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S)
FILES = {text.splitlines()[0].removeprefix("# "): text for language, text in BLOCKS if language != "sh"}
CLASSIFY, FIT, STUDY = ([*map(shlex.split, text.splitlines())] for language, text in BLOCKS if language == "sh")
GROUPS = tomllib.loads(FILES["pyproject.toml"])["project"]["entry-points"]
PHOTOS = {"noon": (150, 170, 220), "dusk": (60, 40, 60), "midnight": (5, 5, 20)}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The plugins as an installed package, in a working folder with photos; gives the folder."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "photos").mkdir()
    for name, color in PHOTOS.items():
        Image.new("RGB", (40, 30), color).save(tmp_path / "photos" / f"{name}.png")
    (tmp_path / "days").mkdir()
    rng, lines = np.random.default_rng(0), []
    for label, color in (("day", PHOTOS["noon"]), ("night", PHOTOS["midnight"])):
        for number in range(12):
            pixels = np.clip(rng.normal(color, 30, (24, 32, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "days" / f"{label}{number}.png")
            lines.append(f"{label}: {label}{number}.png\n")
    (tmp_path / "days" / "days.pairs").write_text("".join(lines), "utf-8")
    points = [EntryPoint(name, target, group) for group, of in GROUPS.items() for name, target in of.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: [each for each in points if each.group == group])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] in ("my_parts", "make_model")]:
        del sys.modules[name]


def made(script, name):
    """What a script of the page leaves under a name."""
    return runpy.run_path(script)[name]


def lines(file):
    return [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]


def test_the_page_has_a_plugin_of_each_kind():
    assert {*GROUPS} == {f"imagist.{kinds}" for kinds in registry.BUILT_IN}


@pytest.mark.parametrize("kinds", PARTS.values())
def test_a_plugin_does_what_every_part_must_do(installed, kinds):
    ((name, _),) = GROUPS[f"imagist.{kinds}"].items()
    pipeline = made("make_model.py", "pipeline")
    photos = [Photo(np.full((6, 8, 3), color, np.uint8), name) for name, color in PHOTOS.items()]
    check_part(kinds, name, getattr(pipeline, FOLDERS[kinds]), pipeline, photos, installed)
    assert name in registry.names(kinds)


def test_an_encoder_serves_a_classifier_that_is_built_in(installed):
    pipeline = made("make_patches.py", "pipeline")
    photos = [Photo(np.full((6, 8, 3), color, np.uint8), name) for name, color in PHOTOS.items()]
    assert [each.image_label for each in pipeline.predict(photos)] == ["day", "night", "night"]
    opened = imagist.load("patched", threads=1)
    assert opened.id == pipeline.id
    assert type(opened.image_classifier.encoder).__module__ == "my_parts.encoder"
    check_part("image_classifiers", "linear", pipeline.image_classifier, pipeline, photos, installed)


@pytest.mark.parametrize("part", ["captioner", "fusion"])
def test_a_plugin_takes_the_place_of_a_part_that_ships(installed, part):
    made("make_model.py", "pipeline")
    swapped = load(threads=1, **{part: "daylight"})
    assert type(getattr(swapped, part)).__module__.startswith("my_parts.")
    (prediction,) = swapped(["photos/noon.png"])
    assert prediction.label in swapped.labels.names


def executed(commands, capsys):
    """Runs commands of the page."""
    for program, *arguments in commands:
        assert program == "imagist"
        assert main(arguments) == 0, capsys.readouterr().err


def labels_in(file):
    """The category of each photo of the working folder, as a command wrote it."""
    return {Path(row["source"]).stem: row["label"] for row in lines(file)}


def test_a_model_of_plugins_is_opened_by_every_command(installed, capsys):
    pipeline = made("make_model.py", "pipeline")
    assert imagist.load("daylight").id == pipeline.id
    executed(CLASSIFY, capsys)
    assert labels_in("predictions.jsonl") == {"noon": "day", "dusk": "night", "midnight": "night"}
    for file in ("captions.jsonl", "others.jsonl"):
        assert [row["caption"] for row in lines(file)] == ["a dark image", "a dark image", "a bright image"]
    assert len(lines("fused.jsonl")) == 3
    assert labels_in("named.jsonl")["noon"] == "blue sky"


def test_a_format_is_recognised_and_read_with_all_faults(installed):
    examples = made("read_pairs.py", "examples")
    found = [(each.label, Path(each.image).name) for each in examples]
    assert found == [(label, f"{label}{number}.png") for label in ("day", "night") for number in range(12)]
    Path("days/days.pairs").write_text("day: day0.png\nday\n: day1.png\n", "utf-8")
    with pytest.raises(DataError, match=r"(?s)line 2.*line 3"):
        read(Source("days/days.pairs"))


def test_a_captioner_and_a_format_are_used_in_a_fit(installed, capsys):
    pytest.importorskip("sklearn")
    made("make_model.py", "pipeline")
    executed(FIT, capsys)
    assert type(load("fitted", threads=1).captioner).__module__ == "my_parts.captioner"
    assert labels_in("fitted.jsonl")["noon"] == "day"


@pytest.mark.torch
def test_a_captioner_and_a_format_are_used_in_a_study(installed, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    made("make_model.py", "pipeline")
    executed(STUDY, capsys)
    assert type(load("best", threads=1).captioner).__module__ == "my_parts.captioner"
    assert labels_in("best.jsonl") == {"noon": "day", "dusk": "night", "midnight": "night"}
