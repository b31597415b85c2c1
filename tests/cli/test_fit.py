"""`imagist fit`: from folders and tables to a model that the other commands open."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

import coloured_examples as coloured
from imagist.cli.main import main

pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    root = tmp_path_factory.mktemp("fit")
    coloured.write_folders(root / "images")
    assert main(["fit", str(root / "images"), "--out", str(root / "mine"), "--quiet"]) == 0
    return root


def test_the_model_classifies_and_resumes(model, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert main(["classify", str(model / "images"), "--model", str(model / "mine"), "--out", str(out), "--quiet"]) == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [Path(row["source"]).parent.name for row in rows]
    assert main(["classify", str(model / "images"), "--model", str(model / "mine"), "--top", "2"]) == 0
    assert "blue" in capsys.readouterr().out


def test_the_model_explains(model, tmp_path):
    image = str(model / "images" / "red" / "red0.png")
    assert main(["explain", image, "--model", str(model / "mine"), "--out", str(tmp_path / "why"), "--quiet"]) == 0
    assert (tmp_path / "why" / "explanation.html").is_file()


def test_the_model_describes(model, capsys):
    image = str(model / "images" / "red" / "red0.png")
    assert main(["describe", image, "--model", str(model / "mine")]) == 0
    assert capsys.readouterr().out.strip()


def test_the_report_and_the_card_show_intervals(model, capsys):
    page = (model / "mine" / "report.html").read_text()
    assert "cross-validation" in page
    assert "[" in page
    assert main(["models", "show", str(model / "mine")]) == 0
    assert "image classifier" in capsys.readouterr().out


def test_a_model_is_not_replaced_unasked(model, capsys):
    assert main(["fit", str(model / "images"), "--out", str(model / "mine")]) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_a_folder_of_something_else_is_left_alone(model, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    assert main(["fit", str(model / "images"), "--out", str(tmp_path / "mine"), "--overwrite"]) == 2
    assert "something else" in capsys.readouterr().err
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_configuration_and_its_changes(tmp_path, capsys):
    path = coloured.write_table(
        tmp_path, what=lambda label, number: label.upper(), caption=lambda label, _: f"a {label} wall"
    )
    config = tmp_path / "fit.toml"
    config.write_text('fusion = "logit"\n[text_classifier]\nkind = "tfidf"\nmin_df = 1\n')
    argv = ["fit", str(path), "--out", str(tmp_path / "mine"), "--config", str(config), "--set", "folds=3"]
    argv += ["--label-column", "what", "--captioner", "recorded", "--quiet"]
    assert main(argv) == 0
    card = (tmp_path / "mine" / "card.toml").read_text()
    assert "BLUE = 6" in card
    assert "folds = 3" in card
    assert 'kind = "logit"' in (tmp_path / "mine" / "fusion" / "card.toml").read_text()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "nothing to learn from"),
        (["missing"], "no such file"),
        (["images", "--set", "folds=3"], "--config"),
        (["images", "--captioner-model", "x"], "--captioner"),
        (["images", "--test", "dev"], "no split 'dev'"),
    ],
)
def test_a_wrong_call_is_one_message(model, monkeypatch, tmp_path, capsys, argv, message):
    monkeypatch.chdir(model)
    assert main(["fit", *argv, "--out", str(tmp_path / "mine"), "--quiet"]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_an_unreadable_image_ends_with_its_own_code(tmp_path, capsys):
    coloured.write_folders(tmp_path / "images")
    (tmp_path / "images" / "red" / "empty.png").write_bytes(b"")
    assert main(["fit", str(tmp_path / "images"), "--out", str(tmp_path / "mine"), "--quiet"]) == 3
    assert "empty.png" in capsys.readouterr().out


@pytest.mark.parametrize("absent", ["torch", "sklearn"])
def test_it_needs_scikit_learn_and_no_torch(tmp_path, absent):
    coloured.write_folders(tmp_path / "images", 3)
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {absent!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from imagist.cli.main import main\n"
        f"sys.exit(main(['fit', {str(tmp_path / 'images')!r}, '--out', {str(tmp_path / 'mine')!r}, '--quiet']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if absent == "torch":
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 2
        assert "pip install 'imagist[fit]'" in done.stderr
        assert "Traceback" not in done.stderr
