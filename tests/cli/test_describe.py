from __future__ import annotations

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from imagist.records.flat import DESCRIPTION_FIELDS, columns

DESCRIBED = columns(DESCRIPTION_FIELDS)


def test_a_block_a_image_on_stdout(fake, photos, capsys):
    assert fake(["describe", str(photos / "0.png"), str(photos / "6.png")]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        str(photos / "0.png"),
        "  red 0 green 200 blue 90",
        "",
        str(photos / "6.png"),
        "  red 180 green 80 blue 90",
    ]


def test_details_and_regions_reach_the_description(fake, photos, monkeypatch):
    asked = []

    def describe_all(captioner, images, **settings):
        from imagist.captioning.description import Description

        asked.append((captioner.id, settings))
        return [Description("a dog", (), settings["detail"]) for _ in images]

    monkeypatch.setattr("imagist.captioning.description.describe_all", describe_all)
    argv = ["describe", str(photos), "--detail", "3", "--region", "0,0.5,0.5,1", "--batch-size", "4"]
    assert fake(argv) == 0
    assert [(who, {**how, "matcher": how["matcher"].id[:8]}) for who, how in asked] == [
        ("fake(nbest=5)", {"detail": 3, "region": (0.0, 0.5, 0.5, 1.0), "batch_size": 4, "matcher": "embedded"})
    ] * 2


@pytest.mark.parametrize(("argv", "nbest"), [([], 5), (["--beam", "8"], 8)])
def test_all_hypotheses_are_kept(fake, photos, tmp_path, monkeypatch, argv, nbest):
    seen = []
    monkeypatch.setattr(
        "imagist.captioning.description.describe_all",
        lambda captioner, images, **_: seen.append(captioner.nbest) or [],
    )
    fake(["describe", str(photos / "0.png"), *argv])
    assert set(seen) == {nbest}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_with_sentences_and_their_boxes(fake, photos, tmp_path, suffix):
    out = tmp_path / f"x.{suffix}"
    assert fake(["describe", str(photos), "missing.jpg", "--detail", "3", "--out", str(out)]) == 3
    if suffix == "parquet":
        rows = pq.read_table(out).to_pylist()
    elif suffix == "jsonl":
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    else:
        rows = pd.read_csv(out).replace({float("nan"): None}).to_dict("records")
        for row in rows[:-1]:
            row["sentences"] = json.loads(row["sentences"])
    assert [list(row) for row in rows] == [list(DESCRIBED)] * 8
    for row in rows[:-1]:
        assert row["description"] == " ".join(said["text"] for said in row["sentences"])
        assert row["sentences"][0]["box"] == [0, 0, 1, 1]
        assert row["error_kind"] is None
    assert rows[-1]["error_kind"] == "source_not_found"
    assert rows[-1]["description"] is None


def test_failures_are_shown_in_place_of_the_words(fake, photos, capsys):
    (photos / "0.png").write_bytes(b"broken")
    assert fake(["describe", str(photos / "0.png"), str(photos / "1.png")]) == 3
    assert "  unknown_format: " in capsys.readouterr().out


def test_other_settings_cannot_be_resumed(fake, photos, tmp_path, capsys):
    out = tmp_path / "x.csv"
    (photos / "3.png").unlink()
    (photos / "3.png").mkdir()
    argv = ["describe", str(photos), "--out", str(out)]
    from imagist.engine.journal import Journal

    journal = Journal(out, {"task": "describe", "detail": 1, "region": None}, resume=False)
    journal.append([({"source": "x"}, {})])
    journal.close()
    assert fake([*argv, "--resume", "--detail", "2", "--region", "0,0,1,0.5"]) == 2
    err = capsys.readouterr().err
    assert "detail was 1 and is now 2" in err
    assert "region was None and is now [0.0, 0.0, 1.0, 0.5]" in err


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["--detail", "4"], "invalid choice: 4"),
        (["--detail", "long"], "invalid int value"),
        (["--region", "0,0,1"], "not X0,Y0,X1,Y1"),
        (["--region", "left"], "not X0,Y0,X1,Y1"),
        (["--region", "0,0,640,480"], "divide pixels"),
        (["--region", "0.5,0,0.5,1"], "is empty"),
        (["--resume"], "resume: there is no file to resume"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(fake, photos, capsys, argv, reason):
    assert fake(["describe", str(photos / "1.png"), *argv]) == 2
    err = capsys.readouterr().err
    assert reason in err
    assert err.count("\n") == 1


@pytest.mark.slow
def test_with_the_model_that_ships(photos, capsys):
    from imagist.cli.main import main

    assert main(["describe", str(photos / "0.png"), "--detail", "3", "--threads", "1", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == str(photos / "0.png")
    assert out.rstrip().endswith(".")
