"""`imagist study`: what it hands on, and that a mistake ends in one clear message."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from imagist.cli.main import main

pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("accelerate")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

pytestmark = pytest.mark.torch

STUDY = """
name = "mini"
[data]
sources = [{ path = "images" }]
[folds]
number = 2
inner = 2
[[captioners]]
name = "recorded"
kind = "recorded"
model = "captions.csv"
[[text_classifiers]]
name = "bag"
settings = { kind = "tfidf", min_df = 1, penalty = 1e-3 }
"""


@pytest.fixture
def mini(tmp_path, monkeypatch):
    """A study of eight images of two classes, in the working directory."""
    monkeypatch.delenv("IMAGIST_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("imagist.training.logs.logged", lambda path: None)
    rows = ["source,caption"]
    for number, label in enumerate(("cat", "dog")):
        (tmp_path / "data" / "images" / label).mkdir(parents=True)
        for n in range(4):
            pixels = np.random.default_rng((number, n)).integers(0, 256, (40, 40, 3), np.uint8)
            content = io.BytesIO()
            Image.fromarray(pixels).save(content, "PNG")
            (tmp_path / "data" / "images" / label / f"{label}{n}.png").write_bytes(content.getvalue())
            rows.append(f"{label}{n}.png,a {label} on a mat")
    (tmp_path / "captions.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "mini.toml").write_text(STUDY)
    return tmp_path


def refused(capsys, *changes, data="data", config="mini.toml"):
    """The message of a wrong call."""
    sets = [part for change in changes for part in ("--set", change)]
    assert main(["study", config, *(["--data", data] if data else []), *sets]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("imagist: ")
    assert "Traceback" not in err
    return err


def test_the_study_goes_to_the_run_and_what_is_found_to_the_report(mini, monkeypatch, capsys):
    seen = {}

    def run(study, paths, *, allow_leakage):
        seen.update(study=study, paths=paths, allowed=allow_leakage)
        return "found"

    def publish(found, folder):
        seen.update(found=found)
        return folder / "report.html"

    monkeypatch.setattr("imagist.study.run.run", run)
    monkeypatch.setattr("imagist.report.study.publish.publish", publish)
    assert main(["study", "mini.toml", "--data", "data", "--set", "fusion.weights=41"]) == 0
    assert capsys.readouterr().out == "runs/studies/mini/report.html\n"
    assert seen["study"].fusion.weights == 41
    paths = seen["paths"]
    assert [str(p) for p in (paths.data, paths.config, paths.folder)] == ["data", "mini.toml", "runs/studies/mini"]
    assert (seen["found"], seen["allowed"]) == ("found", False)
    monkeypatch.setenv("IMAGIST_DATA", "elsewhere")
    assert main(["study", "mini.toml", "--folder", "here", "--allow-leakage"]) == 0
    assert [str(seen["paths"].data), str(seen["paths"].folder), seen["allowed"]] == ["elsewhere", "here", True]


def test_text_classifiers_alone_are_a_study(mini, monkeypatch, capsys):
    found = []
    monkeypatch.setattr("imagist.report.study.publish.publish", lambda of, folder: found.append(of) or folder)
    assert main(["study", "mini.toml", "--data", "data"]) == 0
    (only,) = found[0].systems
    assert only.system.name == "recorded > bag"
    assert only.accuracy.value == 1
    assert sorted(row for trial in found[0].trials for row in trial.fold.test) == list(range(8))


def test_a_model_that_is_there_is_replaced_only_when_asked(mini, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr("imagist.study.run.run", lambda study, paths, *, allow_leakage: ran.append(study))
    model = mini / "model"
    model.mkdir()
    (model / "card.toml").write_text("")
    study = ["study", "mini.toml", "--data", "data"]
    assert main([*study, "--save", "model"]) == 2
    assert capsys.readouterr().err == "imagist: model: holds a model (name another folder, or --overwrite)\n"
    assert not ran
    assert main([*study, "--overwrite"]) == 2
    assert "--save" in capsys.readouterr().err


def test_without_a_data_folder_it_says_how_to_name_it(mini, capsys):
    assert "IMAGIST_DATA" in refused(capsys, data=None)


def test_a_study_of_absolute_paths_needs_no_data_folder(mini, monkeypatch, capsys):
    ran = []
    monkeypatch.setattr("imagist.study.run.run", lambda study, paths, *, allow_leakage: ran.append(study))
    monkeypatch.setattr("imagist.report.study.publish.publish", lambda found, folder: folder)
    absolute = f"data.sources=[{{path={str(mini / 'data' / 'images')!r}}}]"
    assert main(["study", "mini.toml", "--set", absolute]) == 0
    assert len(ran) == 1
    capsys.readouterr()
    assert "IMAGIST_DATA" in refused(capsys, absolute, "data.taxonomy=own.toml", data=None)


def test_a_file_that_is_not_there_or_is_no_toml_is_named(mini, capsys):
    assert "nothing.toml: cannot be read" in refused(capsys, config="nothing.toml")
    (mini / "bad.toml").write_text("name = ")
    assert "bad.toml: cannot be read as TOML" in refused(capsys, config="bad.toml")


def test_every_fault_of_the_file_is_reported(mini, capsys):
    said = refused(capsys, "folds.number=1", "fusion.kinds=['sum']", "data.frist=3")
    assert "3 faults" in said
    for each in ("folds.number", "fusion.kinds[0]", "data.frist: no such setting; did you mean 'first'"):
        assert each in said


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("data.sources=[{path='nothing'}]", "nothing"),
        ("data.taxonomy=photos51", "photos51"),
        ("data.taxonomy=own.toml", "own.toml"),
        ("data.splits=['test']", "no example is left"),
        ("captioners=[]", "captioners has no entry"),
        ("captioners=[{name='recorded', kind='recorded', model='none.csv'}]", "none.csv"),
        ("captioners=[{name='recorded', kind='recorded'}]", "neither a model nor a recipe"),
        ("captioners=[{name='recorded', kind='telling', model='x'}]", "telling"),
        ("folds.number=9", "9 folds of 8"),
        ("folds.kind=fixed", "split"),
        ("folds.fits=3", "3 fits of 2 inner folds"),
        ("folds.seeds=[]", "folds.seeds has no entry"),
        ("text_classifiers=[{name='bag', settings={kind='tfidf', min_df=9}}]", "no word is in enough texts"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(mini, capsys, change, told):
    assert told in refused(capsys, change)


def test_an_image_without_a_caption_is_named(mini, capsys):
    (mini / "captions.csv").write_text("source,caption\ncat0.png,a cat\n")
    assert "cat1.png: no caption" in refused(capsys)


def test_a_damaged_image_is_named(mini, capsys):
    (mini / "data/images/dog/dog2.png").write_bytes(b"\x89PNG no more")
    assert "dog2.png" in refused(capsys)


def test_a_folder_that_cannot_be_written_to_is_named(mini, capsys):
    (mini / "file").write_text("")
    assert main(["study", "mini.toml", "--data", "data", "--folder", "file"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("imagist: file: cannot be written to")
    assert "Traceback" not in said


def test_a_library_that_is_missing_is_named_with_the_remedy(mini, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagist.study.captions", None)
    assert "pip install 'imagist[torch,study]'" in refused(capsys)
