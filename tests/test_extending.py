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
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
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
    (tmp_path / "photos" / "days.pairs").write_text("day: noon.png\nnight: midnight.png\n", "utf-8")
    points = [EntryPoint(name, target, group) for group, of in GROUPS.items() for name, target in of.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: [each for each in points if each.group == group])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "my_parts"]:
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


@pytest.mark.parametrize("part", ["captioner", "fusion"])
def test_a_plugin_takes_the_place_of_a_part_that_ships(installed, part):
    made("make_model.py", "pipeline")
    swapped = load(threads=1, **{part: "daylight"})
    assert type(getattr(swapped, part)).__module__.startswith("my_parts.")
    (prediction,) = swapped(["photos/noon.png"])
    assert prediction.label in swapped.labels.names


def test_the_commands_of_the_page_run(installed, capsys):
    pipeline = made("make_model.py", "pipeline")
    assert imagist.load("daylight").id == pipeline.id
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        assert program == "imagist"
        assert main(arguments) == 0, capsys.readouterr().err
    predictions = {Path(row["source"]).stem: row for row in lines("predictions.jsonl")}
    assert {name: row["label"] for name, row in predictions.items()} == {
        "noon": "day", "dusk": "night", "midnight": "night"
    }  # fmt: skip
    assert predictions["noon"]["caption"] == "a bright image"
    for file in ("captions.jsonl", "others.jsonl"):
        assert [row["caption"] for row in lines(file)] == ["a dark image", "a dark image", "a bright image"]
    assert len(lines("fused.jsonl")) == 3


def test_a_format_is_recognised_and_read_with_all_faults(installed):
    examples = made("read_pairs.py", "examples")
    assert {each.label: Path(each.image).name for each in examples} == {"day": "noon.png", "night": "midnight.png"}
    Path("photos/days.pairs").write_text("day: noon.png\nday\n: dusk.png\n", "utf-8")
    with pytest.raises(DataError, match=r"(?s)line 2.*line 3"):
        read(Source("photos/days.pairs"))
