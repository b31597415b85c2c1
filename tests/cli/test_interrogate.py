"""``imagist interrogate``, and interrogated captions in other commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import tiny_matchers
from imagist.bundle import copy_part, open_bundle, open_part, write_bundle
from imagist.captioning.interrogation.settings import MODES
from imagist.cli.main import main
from imagist.records.flat import INTERROGATION_FIELDS, columns


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The embedded model with a tiny matcher in place of its own."""
    pytest.importorskip("onnx")
    return tiny_matchers.model(tmp_path_factory.mktemp("interrogate") / "model")


@pytest.fixture
def table(tmp_path):
    (tmp_path / "mine.txt").write_text("red\nwhite\na red car\na man in a street\ndog\nbus\n")
    return str(tmp_path / "mine.txt")


def test_a_block_an_image_on_stdout(photos, model, table, capsys):
    assert main(["interrogate", str(photos), "--model", str(model), "--table", table, "--max-phrases", "2"]) == 0
    out = capsys.readouterr().out
    assert out.count(".png") == 7
    assert "0." in out
    assert sum(phrase in out for phrase in ("red", "white", "dog", "bus", "street")) >= 2


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [*((mode, ".parquet") for mode in MODES), ("best", ".csv"), ("best", ".jsonl")],
)
def test_every_mode_into_a_table_that_can_be_updated(mode, suffix, photos, model, table, tmp_path):
    out = tmp_path / f"x{suffix}"
    argv = ["interrogate", str(photos), "--model", str(model), "--table", table, "--mode", mode, "--out", str(out)]
    argv += ["--min-phrases", "1", "--quiet"]
    (photos / "broken.png").write_bytes(b"no image")
    assert main(argv) == 3
    read = {".csv": pd.read_csv, ".jsonl": lambda path: pd.read_json(path, lines=True), ".parquet": pd.read_parquet}
    rows = read[suffix](out)
    assert [*rows] == [*columns(INTERROGATION_FIELDS)]
    assert len(rows) == 8
    good = rows[rows.error_kind.isna()]
    assert len(good) == 7
    for row in good.itertuples():
        phrases = json.loads(row.phrases) if suffix == ".csv" else row.phrases
        assert all({"text", "similarity", "gain", "role"} == {*phrase} for phrase in phrases)
        assert all(phrase["text"] in row.interrogation for phrase in phrases)
    assert good.similarity.notna().all() == (mode in ("best", "negative"))
    assert good.caption.notna().all() == (mode in ("fast", "classic", "best"))
    assert main([*argv, "--update"]) == 3
    assert [*read[suffix](out).interrogation.dropna()] == [*good.interrogation]


def test_a_folder_of_parts_has_the_rows_of_a_table_is_resumed_and_extended(photos, model, table, tmp_path):
    one, parts = tmp_path / "one.parquet", tmp_path / "parts"
    argv = ["interrogate", str(photos), "--model", str(model), "--table", table, "--quiet", "--out"]
    folder = [*argv, f"{parts}/", "--part-rows", "3"]
    (photos / "broken.png").write_bytes(b"no image")
    assert main([*argv, str(one)]) == 3
    assert main(folder) == 3
    assert pq.read_table(parts).to_pylist() == pq.read_table(one).to_pylist()
    manifest = parts / "_manifest.json"
    assert [part["rows"] for part in json.loads(manifest.read_text())["parts"]] == [3, 3, 2]
    (parts / "part-00-00000001-0000.parquet").unlink()  # as after a kill
    manifest.write_text(manifest.read_text().replace('"complete": true', '"complete": false'))
    assert main([*folder, "--resume"]) == 3
    assert pq.read_table(parts).to_pylist() == pq.read_table(one).to_pylist()
    (photos / "0.png").rename(photos / "broken.png")
    assert main([*folder, "--update"]) == 0
    rows = pq.read_table(parts).to_pylist()
    assert sorted(Path(row["source"]).name for row in rows) == sorted(["broken.png", *(f"{n}.png" for n in range(7))])


def test_a_page_shows_phrases_as_chips(photos, model, table, tmp_path):
    page = tmp_path / "x.html"
    argv = ["interrogate", str(photos), "--model", str(model), "--table", table, "--report", str(page), "--quiet"]
    assert main([*argv, "--out", str(tmp_path / "x.csv"), "--mode", "best", "--min-phrases", "2"]) == 0
    html = page.read_text()
    assert html.count('class="card"') == 7
    assert 'class="chips"' in html
    assert main([*argv[:-3], "--report", str(tmp_path / "x.txt")]) == 2


def test_classify_and_explain_read_interrogated_captions(photos, model, table, tmp_path, capsys):
    out, page = tmp_path / "x.csv", tmp_path / "x.html"
    parts = ["--captioner", "interrogator", "--captioner-model", str(model), "--captioner-setting", f"tables={table}"]
    argv = ["classify", str(photos), *parts, "--out", str(out), "--report", str(page), "--quiet"]
    assert main(argv) == 0
    captions = pd.read_csv(out).caption
    assert captions.str.contains(", ").all()
    assert 'class="chips"' in page.read_text()
    assert (
        main(["explain", str(photos / "0.png"), *parts, "--out", str(tmp_path / "explained"), "--verbose", "--quiet"])
        == 0
    )
    assert "similarity to the image" in capsys.readouterr().out


def test_a_file_of_settings_and_the_cache_of_captions(photos, model, table, tmp_path, capsys):
    (tmp_path / "mine.toml").write_text(f'model = "{model}"\nmode = "tags"\nmax_phrases = 2\ntables = ["mine.txt"]\n')
    argv = ["caption", str(photos), "--captioner", "interrogator", "--captioner-model", str(tmp_path / "mine.toml")]
    argv += ["--cache", str(tmp_path / "captions.sqlite"), "--quiet"]
    found = []
    for number in range(2):
        assert main([*argv, "--out", str(tmp_path / f"{number}.csv")]) == 0
        found.append(pd.read_csv(tmp_path / f"{number}.csv").caption.to_list())
    assert found[0] == found[1]
    assert {text.count(",") for text in found[0]} == {1}
    (tmp_path / "mine.toml").write_text('mode = "slow"\n')
    assert main(argv) == 2
    assert "mode" in capsys.readouterr().err


def test_captions_are_scored_and_reranked(photos, model, tmp_path):
    tables = {}
    for how in ("score", "rerank"):
        out = tmp_path / f"{how}.parquet"
        argv = ["caption", str(photos), "--model", str(model), "--match", how, "--nbest", "3", "--out", str(out)]
        assert main([*argv, "--quiet"]) == 0
        tables[how] = pq.read_table(out).to_pylist()
    for scored, reranked in zip(tables["score"], tables["rerank"], strict=True):
        assert {each["text"] for each in scored["nbest"]} == {each["text"] for each in reranked["nbest"]}
        assert reranked["similarity"] >= scored["similarity"] - 1e-6
        assert np.isfinite(scored["similarity"])


def test_a_model_without_a_matcher_is_reported(photos, tmp_path, capsys):
    shipped = open_bundle("embedded")
    parts = {name: copy_part(open_part(shipped.path / name, name)) for name in ("encoder", "captioner")}
    bare = write_bundle(tmp_path / "bare", {"name": "bare"}, parts).path
    assert main(["interrogate", str(photos), "--model", str(bare)]) == 2
    assert "no matcher" in capsys.readouterr().err
