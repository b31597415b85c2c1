"""The commands and the code that the readme and the documentation print, and a working folder that they fit."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
OWN_TESTS = ("extending.md",)  # whose code another test runs
GUIDES = [file for file in sorted((ROOT / "docs").rglob("*.md")) if file.name not in OWN_TESTS]


def environment():
    """Of a process that imports the package as this one does."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def blocks(language, text=README, needs=("",)):
    """The blocks of a language whose needs are among these; an empty one is of those that need nothing."""
    found = re.findall(rf"^(?:<!-- needs: ([^>]*) -->\n)?```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [block for need, block in found if need in needs]


def commands(text=README, needs=("",), program="imagist"):
    """The lines of shell blocks that call a program."""
    joined = "\n".join(blocks("sh", text, needs)).replace("\\\n", " ")
    lines = [re.split(r"\s#", line)[0].strip() for line in joined.splitlines()]
    return [line for line in lines if line.startswith(f"{program} ")]


def of_guides(found):
    """Each of what is found in the guides, named by its guide."""
    return [pytest.param(each, id=f"{file.stem}: {each[:60]!r}") for file in GUIDES for each in found(file)]


def commands_that_need(*needs):
    """The commands of the guides behind these needs, each named by its guide."""
    return of_guides(lambda file: commands(file.read_text("utf-8"), needs))


def lay_desk(folder):
    """Writes what the examples name: images, a table of their paths, labelled images, posts; returns the folder."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for name in ("cat.jpg", "dog.jpg"):
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(folder / "images" / name)
    for label in ("cat", "dog"):
        (folder / "labelled" / label).mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
            pixels[..., ("cat", "dog").index(label)] //= 4
            Image.fromarray(pixels).save(folder / "labelled" / label / f"{number}.png")
    for account, name in (("ann", "cat.jpg"), ("bob", "dog.jpg")):
        (folder / "POSTS" / account).mkdir(parents=True)
        shutil.copy(folder / "images" / name, folder / "POSTS" / account)
    (folder / "posts.csv").write_text("image,likes,username\nimages/cat.jpg,3,ann\nimages/dog.jpg,5,bob\n")
    (folder / "mine.txt").write_text("at night\nin the style of a mosaic\n")
    (folder / "mine.toml").write_text('mode = "fast"\n')
    return folder
