from __future__ import annotations

import json

import pandas as pd
import pytest


@pytest.fixture
def classified(tmp_path):
    rows = [
        {"source": f"{i}.jpg", "shop": "ann" if i < 8 else "bob", "probabilities": {"cat": p, "food": round(1 - p, 3)}}
        for i, p in enumerate([0.95] * 8 + [0.05] * 6)
    ]
    path = tmp_path / "posts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_classified_table_becomes_a_row_an_account(fake, classified, tmp_path, capsys, suffix):
    out, posts, page = (tmp_path / name for name in (f"accounts.{suffix}", f"rows.{suffix}", "board.html"))
    command = ["profile", str(classified), "--by", "shop", "--rank", "food", "--out", str(out), "--posts", str(posts)]
    assert fake([*command, "--report", str(page)]) == 0
    read = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True), "parquet": pd.read_parquet}
    accounts, rows = read[suffix](out), read[suffix](posts)
    assert accounts["account"].tolist() == ["bob", "ann"]
    assert accounts["leading"].tolist() == ["food", "cat"]
    assert accounts["posts"].tolist() == [6, 8]
    assert len(rows) == 14
    assert page.exists()
    assert "14 posts of 2 accounts" in capsys.readouterr().err
    assert fake([*command, "--report", str(page)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert fake([*command, "--report", str(page), "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_workbook(fake, classified, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    assert fake(["profile", str(classified), "--by", "shop", "--out", str(tmp_path / "x.xlsx")]) == 0
    rows = [*openpyxl.load_workbook(tmp_path / "x.xlsx").active.values]
    assert rows[0][:2] == ("account", "posts")
    assert [row[:2] for row in rows[1:]] == [("ann", 8), ("bob", 6)]


def test_folders_are_accounts_and_copies_count_once(fake, photos, tmp_path, capsys):
    posts = tmp_path / "posts"
    (posts / "ann").mkdir(parents=True)
    photos.rename(posts / "bob")
    stem = "2026-05-04_10-11-12_UTC"
    for number, file in enumerate(sorted((posts / "bob").iterdir())[:2], start=1):
        (posts / "ann" / f"{stem}_{number}.png").write_bytes(file.read_bytes())
    (posts / "ann" / "broken.png").write_bytes(b"no image")
    out = tmp_path / "accounts.csv"
    assert fake(["profile", str(posts), "--out", str(out)]) == 3
    rows = pd.read_csv(out).set_index("account")
    assert rows.loc["ann", ["posts", "images", "failed"]].tolist() == [1, 2, 1]
    assert rows.loc["bob", "posts"] + rows.loc["bob", "near_duplicates"] == 7
    assert rows.loc["bob", "posts"] == 1  # images of one colour have one hash
    assert "broken.png" in capsys.readouterr().err


def test_a_cell_with_several_images_is_one_post(fake, photos, tmp_path):
    table = tmp_path / "posts.csv"
    table.write_text("images,user\nphotos/0.png;photos/1.png,ann\nphotos/2.png,bob\n")
    out = tmp_path / "accounts.csv"
    assert fake(["profile", str(table), "--out", str(out)]) == 0
    assert pd.read_csv(out)[["account", "posts", "images"]].values.tolist() == [["ann", 1, 2], ["bob", 1, 1]]


def test_without_an_output_a_table_is_shown(fake, classified, capsys):
    assert fake(["profile", str(classified), "--by", "shop", "--prior", "cat=.5,food=.5"]) == 0
    shown = capsys.readouterr().out
    assert "first category" in shown
    assert "ann" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by", "nobody"], "no column 'nobody'"),
        ([], "no post has an account"),
        (["--by", "shop", "--rank", "dog"], "no label 'dog'"),
        (["--by", "shop", "--prior", "cat=1"], "needs a share over 0 for each category"),
        (["--by", "shop", "--prior", "cat"], "NAME=SHARE"),
        (["--by", "shop", "--report", "x.txt"], "end it in .html"),
        (["--by", "shop", "--out", "x.doc"], "end it in"),
        (["--by", "shop", "--out", "x.csv", "--posts", "x.csv"], "two outputs are one file"),
    ],
)
def test_wrong_calls_say_why(fake, classified, capsys, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert fake(["profile", str(classified), *options]) == 2
    assert message in capsys.readouterr().err
