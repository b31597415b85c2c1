"""The commands and the code of the readme and of the documentation run as printed.

A block behind ``<!-- needs: ... -->`` needs what a test does not have: then the command must at least be understood.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagist.cli.main import command_parser, main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
OWN_TESTS = ("extending.md",)  # whose code another test runs
GUIDES = [file for file in sorted((ROOT / "docs").rglob("*.md")) if file.name not in OWN_TESTS]


def blocks(language, text=README, needs=False):
    """The blocks of a language; those that need something, or those that do not."""
    found = re.findall(rf"^(<!-- needs: [^>]* -->\n)?```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for marked, block in found if bool(marked) is needs]


def commands(text=README, needs=False):
    joined = "\n".join(blocks("sh", text, needs)).replace("\\\n", " ")
    lines = [re.split(r"\s#", line)[0].strip() for line in joined.splitlines()]
    return [line for line in lines if line.startswith("imagist ")]


def of_guides(found):
    """Each of what is found in the guides, named by its guide."""
    return [pytest.param(each, id=f"{file.stem}: {each[:60]!r}") for file in GUIDES for each in found(file)]


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


@pytest.mark.parametrize("line", [*commands(), *of_guides(lambda file: commands(file.read_text("utf-8")))])
def test_a_command_does_what_it_says(desk, line, capsys, monkeypatch):
    words = shlex.split(line)[1:]
    if words[0] == "serve":  # up to where it would serve until it is stopped
        pytest.importorskip("fastapi", reason="needs the extra serve")
        monkeypatch.setattr("imagist.serving.server.serve", lambda *_, **__: sys.stdout.write("serving"))
    if "models/mine" in words and words[0] != "fit":
        pytest.importorskip("sklearn", reason="needs the extra fit")
        assert main(["fit", "labelled", "--out", "models/mine", "--quiet"]) == 0
        capsys.readouterr()
    if "--update" in words:
        assert main([word for word in words if word != "--update"]) == 0
    if words[:2] == ["keys", "revoke"]:
        assert main(["keys", "add", *words[2:]]) == 0
    if "--existing" in words:
        assert main(words[: words.index("--existing")]) == 0
    assert main(words) == 0, capsys.readouterr().err
    printed = capsys.readouterr()
    for option in ("--out", "--report", "--attention"):
        if option in words:
            assert Path(words[words.index(option) + 1]).exists()
    assert printed.out or "--out" in words or "--sidecar" in words


@pytest.mark.parametrize("line", of_guides(lambda file: commands(file.read_text("utf-8"), needs=True)))
def test_a_command_that_needs_more_is_understood(line):
    name, *words = shlex.split(line)[1:]
    assert command_parser(name).parse_args(words)


@pytest.mark.parametrize("code", of_guides(lambda file: blocks("python", file.read_text("utf-8"))))
def test_code_of_a_guide_runs(desk, code):
    (desk / "program.py").write_text(code, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "program.py"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("code", blocks("python"))
def test_python_runs(desk, code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("link", sorted({*re.findall(r"\]\((?!https?:|#)([^)#]+)", README)}))
def test_a_link_leads_somewhere(link):
    assert (ROOT / link).exists()
