"""The commands of the documentation that open published models: a cache of the hub holds small ones by these names."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

for library in ("torch", "transformers"):
    pytest.importorskip(library, reason="needs the extra torch")

import torch

import tiny_hub
from documents import ROOT, blocks, commands_that_need, lay_desk
from imagist.cli.main import main

pytestmark = pytest.mark.torch

ROLES = ("artists", "flavors", "mediums", "movements", "sites", "negative")  # tables of clip-interrogator
PHRASES = {role: [f"{word} {role}" for word in ("red", "small", "blue")] for role in ROLES}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    return tiny_hub.write_hub(tmp_path_factory.mktemp("hub"))


@pytest.fixture
def desk(tmp_path, monkeypatch, hub):
    """A working folder with images, the categories that a guide writes, and nothing but the cache for a hub."""
    tiny_hub.use_hub(hub, monkeypatch)
    lay_desk(tmp_path)
    categories, *_ = blocks("toml", (ROOT / "docs" / "matching.md").read_text("utf-8"))
    (tmp_path / "mine.toml").write_text(categories)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def install_tables(folder, monkeypatch):
    """A package clip_interrogator with few phrases, which is found before the published one."""
    data = folder / "packages" / "clip_interrogator" / "data"
    data.mkdir(parents=True)
    for role, phrases in PHRASES.items():
        (data / f"{role}.txt").write_text("\n".join(phrases))
    (data.parent / "__init__.py").touch()
    monkeypatch.syspath_prepend(data.parents[1])


@pytest.mark.parametrize("line", commands_that_need("published models"))
def test_a_command_opens_the_model_that_it_names(desk, line, hub, capsys, monkeypatch):
    words = shlex.split(line)[1:]
    if "open_clip" in words:
        pytest.importorskip("open_clip", reason="needs the extra openclip")
        tiny_hub.add_open_clip(hub)
        tiny_hub.shrink_open_clip(monkeypatch)
    if "clip-interrogator" in words:
        install_tables(desk, monkeypatch)
    if "cuda" in words and not torch.cuda.is_available():
        words[words.index("cuda")] = "cpu"
    assert main(words) == 0, capsys.readouterr().err
    if "--out" in words:
        assert Path(words[words.index("--out") + 1]).exists()
    assert capsys.readouterr().out or "--out" in words
