"""Profiles whose images are classified on Ray: the same accounts, also where the other engine goes on."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from imagist.cli.main import main

pytestmark = pytest.mark.ray
pytest.importorskip("ray")


@pytest.fixture
def table(tmp_path):
    """Eight images in six posts of two accounts."""
    for n, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (8, 24, 32, 3), np.uint8)):
        Image.fromarray(pixels).save(tmp_path / f"{n}.png")
    (tmp_path / "posts.csv").write_text(
        "images,user\n0.png;1.png,ann\n2.png,bob\n3.png;4.png,ann\n5.png,ann\n6.png,bob\n7.png,bob\n"
    )
    return tmp_path / "posts.csv"


def test_every_engine_gives_the_same_accounts(table, tmp_path):
    outputs = {name: [tmp_path / f"{name}-{what}.csv" for what in ("accounts", "posts")] for name in ("local", "ray")}
    for engine, (out, posts) in outputs.items():
        command = ["profile", str(table), "--out", str(out), "--posts", str(posts), "--engine", engine]
        command += ["--actors", "1", "--part-rows", "3", "--beam", "1", "--quiet"]
        if engine == "ray":  # all but the first part are lost; the local engine goes on
            folder = tmp_path / "ray-accounts.csv.parts"
            run = subprocess.run([sys.executable, "-m", "imagist", *command, "--like", "nobody"], check=False)
            assert run.returncode == 2
            unfinish(folder)
            command[command.index("ray")] = "local"
            command += ["--resume"]
        assert main(command) == 0
    for one, other in zip(*outputs.values(), strict=True):
        assert one.read_text() == other.read_text()
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".parts", ".partial")]


def unfinish(folder):
    """Makes a complete folder one of a run that was killed after its first part."""
    _, *others = sorted(folder.glob("part*"))
    assert len(others) == 2
    for path in others:
        path.unlink()
    manifest = json.loads((folder / "_manifest.json").read_text())
    (folder / "_manifest.json").write_text(json.dumps(manifest | {"complete": False}))
