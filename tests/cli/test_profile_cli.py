from __future__ import annotations

import json

import fake_pipeline
import numpy as np
import pandas as pd
import pytest
from PIL import Image


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
    out = ["--out", str(tmp_path / "x.xlsx"), "--posts", str(tmp_path / "y.xlsx")]
    assert fake(["profile", str(classified), "--by", "shop", *out]) == 0
    posts = [*openpyxl.load_workbook(tmp_path / "y.xlsx").active.values]
    assert posts[0] == ("account", "post", "date", "images", "likes", "label", "probability")
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


def test_a_stopped_run_is_resumed(fake, photos, tmp_path, capsys, monkeypatch):
    table, out = tmp_path / "posts.csv", tmp_path / "accounts.csv"
    table.write_text(
        "images,user\nphotos/0.png;photos/1.png,ann\nphotos/2.png,bob\nphotos/3.png,ann\nphotos/4.png,bob\n"
    )
    command = ["profile", str(table), "--out", str(out), "--batch-size", "2", "--workers", "1"]
    predict = fake_pipeline.FakePipeline.predict
    seen = []

    def stopping(self, pictures):
        seen.extend(pictures)
        if len(seen) > 2:
            raise KeyboardInterrupt
        return predict(self, pictures)

    monkeypatch.setattr(fake_pipeline.FakePipeline, "predict", stopping)
    assert fake(command) == 130
    assert "--resume" in capsys.readouterr().err
    assert not out.exists()
    monkeypatch.setattr(fake_pipeline.FakePipeline, "predict", predict)
    assert fake(command) == 2
    assert "unfinished run" in capsys.readouterr().err
    assert fake([*command, "--resume"]) == 0
    resumed = out.read_text()
    assert pd.read_csv(out)[["account", "images", "carousels"]].values.tolist() == [["ann", 2, 1], ["bob", 1, 0]]
    assert not out.with_name("accounts.csv.partial").exists()
    assert fake([*command, "--overwrite"]) == 0
    assert out.read_text() == resumed
    assert fake(["profile", str(table), "--resume"]) == 2
    assert "no file to resume" in capsys.readouterr().err


def test_a_folder_of_instaloader(fake, photos, tmp_path, capsys):
    folder = tmp_path / "posts" / "ann"
    folder.mkdir(parents=True)
    stems = [f"2026-05-0{day}_10-11-12_UTC" for day in (1, 2)]
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), np.uint8)
    for name, image in zip((f"{stems[0]}_1.png", f"{stems[0]}_2.png", f"{stems[1]}.png"), pixels, strict=True):
        Image.fromarray(image).save(folder / name)
    (folder / f"{stems[0]}.txt").write_text("two of them")
    (folder / f"{stems[0]}.json").write_text(json.dumps({"node": {"edge_media_preview_like": {"count": 10}}}))
    (folder / f"{stems[1]}.mp4").write_bytes(b"")
    (folder / f"{stems[1]}_profile_pic.png").write_bytes((photos / "0.png").read_bytes())
    out, rows = tmp_path / "accounts.csv", tmp_path / "rows.csv"
    assert fake(["profile", str(folder.parent), "--out", str(out), "--posts", str(rows)]) == 0
    (account,) = pd.read_csv(out).to_dict("records")
    assert [account[name] for name in ("account", "posts", "images", "carousels", "videos", "likes")] == [
        *("ann", 2, 3, 1, 1, 10)
    ]
    posts = pd.read_csv(rows)
    assert posts["date"].tolist() == ["2026-05-01T10:11:12Z", "2026-05-02T10:11:12Z"]
    assert posts["likes"].tolist()[0] == 10
    told = capsys.readouterr().err
    assert all(f"1 {part}" in told for part in ("carousels", "video files skipped", "profile pictures left out"))
    assert "1 posts have a text by their author, which is not used" in told


def test_accounts_like_another_come_first(fake, classified, tmp_path, capsys):
    out = tmp_path / "accounts.csv"
    assert fake(["profile", str(classified), "--by", "shop", "--like", "bob", "--out", str(out)]) == 0
    rows = pd.read_csv(out)
    assert rows["account"].tolist() == ["bob", "ann"]
    assert rows["similarity"][0] == 1
    assert fake(["profile", str(classified), "--by", "shop", "--like", "bob"]) == 0
    assert "similarity" in capsys.readouterr().out
    assert fake(["profile", str(classified), "--by", "shop", "--like", "eve"]) == 2
    assert "no account of that name" in capsys.readouterr().err


def test_what_is_found_of_images_is_kept_as_parts_and_profiled_again(fake, photos, tmp_path, capsys):
    table, out = tmp_path / "posts.csv", tmp_path / "accounts.csv"
    table.write_text("images,user\nphotos/0.png;photos/1.png,ann\nphotos/2.png,bob\nphotos/3.png,ann\n")
    folder = f"{tmp_path / 'found'}/"
    command = ["profile", str(table), "--out", str(out), "--classified", folder, "--part-rows", "2"]
    assert fake(command) == 0
    accounts = pd.read_csv(out)
    assert accounts[["account", "images", "near_duplicates"]].values.tolist() == [["ann", 2, 1], ["bob", 1, 0]]
    again = tmp_path / "again.csv"
    assert fake(["profile", folder, "--out", str(again)]) == 0
    assert again.read_text() == out.read_text()
    assert fake(command) == 2
    assert "exists already" in capsys.readouterr().err
    assert fake(["profile", folder, "--classified", "other/"]) == 2
    assert "are classified already" in capsys.readouterr().err
    assert fake(["profile", str(table), "--engine", "ray"]) == 2


def test_near_duplicates_of_a_classified_table_are_known_by_its_hashes(fake, photos, tmp_path, capsys):
    table, found, out = tmp_path / "posts.csv", tmp_path / "found.csv", tmp_path / "accounts.csv"
    table.write_text("images,user\nphotos/0.png,ann\nphotos/1.png,ann\nphotos/2.png,bob\n")
    for options, copies in ([], [None, None]), (["--perceptual-hash"], [1, 0]):
        assert fake(["classify", str(table), "--out", str(found), "--overwrite", *options]) == 0
        assert fake(["profile", str(found), "--out", str(out), "--overwrite"]) == 0
        accounts = pd.read_csv(out).astype(object)
        assert accounts["near_duplicates"].where(accounts["near_duplicates"].notna(), None).tolist() == copies
        assert ("near-duplicates are not known" in capsys.readouterr().err) == (not options)
    assert fake(["profile", str(table), "--out", str(out), "--overwrite"]) == 0
    assert pd.read_csv(out)["near_duplicates"].tolist() == [1, 0]


def test_a_complete_folder_of_what_was_found_is_resumed(fake, photos, tmp_path, capsys):
    command = ["profile", str(photos), "--classified", f"{tmp_path / 'found'}/", "--like"]
    assert fake([*command, "nobody"]) == 2  # known only when all images are classified
    assert "no account of that name" in capsys.readouterr().err
    assert fake([*command, "photos"]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    assert fake([*command, "photos", "--resume"]) == 0


@pytest.mark.parametrize("options", [["--rank", "car"], ["--prior", "car=1"]])
def test_categories_that_are_none_are_known_before_images_are_classified(fake, photos, tmp_path, options):
    assert fake(["profile", str(photos), "--out", str(tmp_path / "x.csv"), *options]) == 2
    assert not (tmp_path / "x.csv.partial").exists()


def test_ray_needs_a_place_for_what_it_finds(fake, photos, tmp_path, capsys):
    assert fake(["profile", str(photos), "--engine", "ray"]) == 2
    assert "--out, --classified" in capsys.readouterr().err
    (tmp_path / "x.csv.partial").touch()
    assert fake(["profile", str(photos), "--engine", "ray", "--out", str(tmp_path / "x.csv")]) == 2
    assert "an unfinished run of one machine" in capsys.readouterr().err


def test_an_estimate_and_a_limit(fake, photos, tmp_path, capsys):
    command = ["profile", str(photos), "--limit", "3"]
    assert fake([*command, "--estimate"]) == 0
    assert "3" in capsys.readouterr().out
    out = tmp_path / "accounts.csv"
    assert fake([*command, "--out", str(out)]) == 0
    (row,) = pd.read_csv(out).to_dict("records")
    assert (row["account"], row["posts"] + row["near_duplicates"]) == ("photos", 3)
