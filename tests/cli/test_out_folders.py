"""Folders of parts, samples and estimates from the command line."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest


def test_a_folder_has_the_rows_of_a_table_and_is_extended(fake, photos, tmp_path, capsys):
    command = ["classify", str(photos), "--quiet"]
    assert fake([*command, "--out", str(tmp_path / "one.parquet")]) == 0
    folder = [*command, "--out", f"{tmp_path / 'parts'}/", "--part-rows", "3"]
    assert fake(folder) == 0
    assert pq.read_table(tmp_path / "parts").to_pylist() == pq.read_table(tmp_path / "one.parquet").to_pylist()
    assert len([*(tmp_path / "parts").glob("part*")]) == 3
    assert fake(folder) == 2
    assert "holds a finished run" in capsys.readouterr().err
    (photos / "0.png").rename(photos / "9.png")
    assert fake([*folder, "--update"]) == 0
    assert len(pq.read_table(tmp_path / "parts")) == 8


@pytest.mark.parametrize("command", ["caption", "describe"])
def test_other_commands_write_folders_too(fake, photos, tmp_path, command, capsys):
    assert fake([command, str(photos), "--out", f"{tmp_path / 'parts'}/", "--limit", "2"]) == 0
    assert len(pq.read_table(tmp_path / "parts")) == 2
    assert capsys.readouterr().out == ""


def test_a_profile_reads_a_folder(fake, photos, tmp_path, capsys):
    table = tmp_path / "posts.csv"
    table.write_text("image,account\n" + "".join(f"photos/{n}.png,{'ab'[n % 2]}\n" for n in range(7)))
    assert fake(["classify", str(table), "--out", f"{tmp_path / 'parts'}/", "--part-rows", "2"]) == 0
    assert fake(["profile", f"{tmp_path / 'parts'}", "--out", str(tmp_path / "accounts.jsonl")]) == 0
    assert len((tmp_path / "accounts.jsonl").read_text().splitlines()) == 2
    assert "7 posts of 2 accounts" in capsys.readouterr().err
    manifest = tmp_path / "parts" / "_manifest.json"
    manifest.write_text(manifest.read_text().replace('"complete": true', '"complete": false'))
    assert fake(["profile", f"{tmp_path / 'parts'}"]) == 2
    assert "is not complete" in capsys.readouterr().err


def test_an_estimate_counts_measures_and_writes_nothing(fake, photos, tmp_path, capsys):
    out = tmp_path / "parts"
    command = ["classify", str(photos), "--out", f"{out}/", "--estimate", "--sample", "4", "--cost-per-hour", "2.5"]
    assert fake(command) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "7 inputs"
    assert "images/s, measured on 4 of them" in shown[1]
    assert shown[2].startswith("about ")
    assert shown[-1].endswith("at 2.5 an hour")
    assert not out.exists()


def test_a_sample_is_shown(fake, photos, capsys):
    assert fake(["caption", str(photos), "--sample", "2"]) == 0
    assert capsys.readouterr().out.count(".png") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "ray"], "Ray writes a folder"),
        (["--engine", "ray", "--out", "x.csv"], "Ray writes a folder"),
        (["--engine", "ray", "--out", "x/", "--report", "x.html"], "--report: is not written on Ray"),
        (["--out", "x/", "--columns", "simple"], "parts have all columns"),
    ],
)
def test_wrong_calls_say_why(fake, photos, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert fake(["classify", str(photos), *options]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
