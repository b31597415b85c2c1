"""The commands and the code of the readme run as printed."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagist.cli.main import main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def commands():
    lines = [line.split(" #")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("imagist ")]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working folder with what the examples name: images, a table of their paths, labelled images."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name in ("cat.jpg", "dog.jpg"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(tmp_path / "images" / name)
    for label in ("cat", "dog"):
        (tmp_path / "labelled" / label).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
            pixels[..., ("cat", "dog").index(label)] //= 4
            Image.fromarray(pixels).save(tmp_path / "labelled" / label / f"{number}.png")
    (tmp_path / "posts.csv").write_text("image,likes\nimages/cat.jpg,3\nimages/dog.jpg,5\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_there_is_something_to_check():
    assert commands()
    assert blocks("python")


@pytest.mark.parametrize("line", commands())
def test_a_command_does_what_it_says(desk, line, capsys, monkeypatch):
    words = shlex.split(line)[1:]
    if words[0] == "serve":  # up to where it would serve until it is stopped
        pytest.importorskip("fastapi", reason="needs the extra serve")
        monkeypatch.setattr("imagist.serving.server.serve", lambda *_, **__: sys.stdout.write("serving"))
    if "models/mine" in words and words[0] != "fit":
        assert main(["fit", "labelled", "--out", "models/mine", "--quiet"]) == 0
        capsys.readouterr()
    assert main(words) == 0, capsys.readouterr().err
    printed = capsys.readouterr()
    for option in ("--out", "--report", "--attention"):
        if option in words:
            assert Path(words[words.index(option) + 1]).exists()
    assert printed.out or "--out" in words


@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs(desk, code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("link", sorted({*re.findall(r"\]\((?!https?:|#)([^)#]+)", README)}))
def test_a_link_leads_somewhere(link):
    assert (ROOT / link).exists()
