"""The wheel and the source archive are whole, and the wheel does the main job in an environment of its own."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
SHIPPED = (
    "py.typed",
    "models/embedded/card.toml",
    "models/encoders/lite/encoder.onnx",
    "classifiers/taxonomies/social12.toml",
    "classifiers/taxonomies/imagenet/labels.tsv",
)
NETWORK = re.compile(r"ConnectionError|Connection to|Temporary failure|Network is unreachable|timed out|ProxyError")

pytestmark = pytest.mark.skipif(
    not find_spec("build") or not find_spec("hatchling"), reason="build and hatchling are not installed"
)


def files(folder: str) -> set[str]:
    """The files of a folder of the project, without caches, relative to the project."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both archives; the wheel is built from the unpacked source archive."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (file,) = dist.glob("imagist-*-py3-none-any.whl")
    return file


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert names == {name.removeprefix("src/") for name in files("src/imagist")} | {
        f"imagist/{name}" for name in files("configs")
    }
    assert {f"imagist/{name}" for name in SHIPPED} <= names


def test_the_source_archive_holds_what_the_tests_need(dist: Path) -> None:
    (file,) = dist.glob("imagist-*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {path.name for path in ROOT.iterdir() if path.suffix in {".md", ".toml", ".txt", ".cff"}}

    assert {"LICENSE", "Makefile", "constraints.txt", *needed} <= names
    for folder in ("src", "tests", "configs", "benchmarks", "docs"):
        assert files(folder) <= names


@pytest.mark.network
def test_the_wheel_classifies_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONHOME"}}

    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    installed = run(
        scripts / "python", "-m", "pip", "install", "--retries", "1", "--constraint", ROOT / "constraints.txt", wheel
    )
    if installed.returncode and NETWORK.search(installed.stderr):
        pytest.skip("the package index cannot be reached")
    assert installed.returncode == 0, installed.stderr

    absent = "from importlib.util import find_spec; print(*map(find_spec, ['torch', 'transformers', 'sklearn']))"
    assert run(scripts / "python", "-c", absent).stdout.split() == ["None"] * 3

    (tmp_path / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), np.uint8)
    for name, image in zip(("a.jpg", "b.png"), pixels, strict=True):
        Image.fromarray(image).save(tmp_path / "images" / name)
    done = run(scripts / "imagist", "classify", "images", "--out", "rows.csv", "--report", "report.html")

    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "rows.csv").read_text("utf-8").splitlines()))
    assert len(rows) == 2
    assert all(row["label"] and 0 < float(row["probability"]) <= 1 and row["caption"] for row in rows)
    assert "a.jpg" in (tmp_path / "report.html").read_text("utf-8")
