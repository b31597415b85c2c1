"""The studies that ship: every file is read, names what is there, and says what it lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

for extra in ("torch", "timm", "accelerate", "scipy", "matplotlib"):
    pytest.importorskip(extra)

from imagist import settings
from imagist.cli.main import main
from imagist.study.config import Study
from imagist.training.captioners.recipe import Recipe

pytestmark = pytest.mark.torch

STUDIES = sorted((Path(__file__).parents[2] / "configs" / "studies").glob("*.toml"))
OF_PAPERS = ("sns-captions-bert", "captions-tell", "instagram-cnn", "backbones")


def test_the_papers_studies_are_there_on_data_at_hand_and_as_published():
    names = {path.stem for path in STUDIES}
    assert {"best", *OF_PAPERS, *(f"{name}-published" for name in OF_PAPERS)} <= names


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_is_read_and_named_as_its_file(path):
    study = settings.read(path, Study)
    assert study.name == path.stem
    assert study.about
    for captioner in study.captioners:
        if captioner.recipe is not None:
            recipe = settings.read(path.parent / captioner.recipe, Recipe)
            assert recipe.name == Path(captioner.recipe).stem


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_whose_data_are_not_there_says_which(path, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("imagist.training.logs.logged", lambda path: None)  # its handlers would outlive the test
    assert main(["study", str(path), "--data", str(tmp_path), "--folder", str(tmp_path / "made")]) != 0
    told = capsys.readouterr().err
    for source in settings.read(path, Study).data.sources:
        assert str(tmp_path / source.path) in told
    assert "Traceback" not in told
