from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from imagist.cli.main import main


@pytest.fixture
def classified(tmp_path):
    random = np.random.default_rng(0)
    path = tmp_path / "dev.jsonl"
    with path.open("w") as file:
        for i in range(120):
            p = 0.8 if i % 2 else 0.25
            row = {"source": f"{i}.jpg", "probabilities": {"cat": p, "food": round(1 - p, 3)}, "error_kind": None}
            row |= {"input.label": "cat" if random.random() < p else "food", "user": f"u{i // 8}"}
            file.write(json.dumps(row) + "\n")
    return path


def test_accounts_of_a_table(classified, capsys):
    assert main(["evaluate", "accounts", str(classified), "--posts", "2,4"]) == 0
    table = capsys.readouterr().out
    assert table.count("corrected hierarchical") == 3  # two rows, and the caption
    assert main(["evaluate", "accounts", str(classified), "--posts", "50"]) == 2
    assert "needs 10 accounts with 50 labelled posts" in capsys.readouterr().err


def test_simulated_accounts_and_the_report(classified, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "study"
    command = ["evaluate", "accounts", str(classified), "--simulate", "20", "--posts", "3", "--out", str(out)]
    assert main(command) == 0
    rows = pd.read_csv(out / "methods.csv")
    assert len(rows) == 4
    assert {"right", "error_low", "width", "coverage"} <= {*rows.columns}
    page = (out / "report.html").read_text("utf-8")
    assert "data:image/png" in page
    assert "majority vote" in page
    assert (out / "methods.svg").exists()
    assert json.loads((out / "settings.json").read_text())["accounts"] == 20
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0


def test_a_folder_with_an_input_is_not_written_over(classified, capsys):
    command = ["evaluate", "accounts", str(classified), "--posts", "2", "--out", str(classified.parent), "--overwrite"]
    assert main(command) == 2
    assert "holds an input (name another folder)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--posts", "x"], "--posts"),
        (["--folds", "1"], "2 folds"),
        (["--label-column", "nothing"], "no column 'nothing'"),
    ],
)
def test_wrong_calls_say_why(classified, capsys, options, message):
    assert main(["evaluate", "accounts", str(classified), "--simulate", "20", *options]) == 2
    assert message in capsys.readouterr().err
