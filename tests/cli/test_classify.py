from __future__ import annotations

import io
import json
import re

import fake_pipeline
import pandas as pd
import pyarrow.parquet as pq
import pytest

from imagist.engine.journal import Journal
from imagist.errors import UnknownName
from imagist.records.flat import PREDICTION_FIELDS, columns

CLASSIFIED = columns(PREDICTION_FIELDS)


def rows_of(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist(maps_as_pydicts="strict")
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_json(path, lines=True)
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_table_has_one_row_an_input_in_order(fake, photos, tmp_path, capsys, suffix):
    out = tmp_path / f"x.{suffix}"
    (photos / "3.png").write_bytes(b"not an image")
    assert fake(["classify", str(photos), "missing.jpg", "--out", str(out), "--batch-size", "2"]) == 3
    rows = rows_of(out)
    assert list(rows[0]) == list(CLASSIFIED)
    assert [row["source"] for row in rows] == [*(str(photos / f"{n}.png") for n in range(7)), "missing.jpg"]
    assert [row["error_kind"] for row in rows] == [None] * 3 + ["unknown_format"] + [None] * 3 + ["source_not_found"]
    assert [row["caption"] for row in rows if row["caption"]] == [
        f"red {30 * n} green {200 - 20 * n} blue 90" for n in range(7) if n != 3
    ]
    probabilities = rows[0]["probabilities"]
    probabilities = json.loads(probabilities) if suffix == "csv" else probabilities
    assert list(probabilities) == list(fake_pipeline.LABELS)
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert max(probabilities.values()) == rows[0]["probability"]
    assert [p.name for p in tmp_path.iterdir() if p != photos] == [out.name]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "2 of 8 inputs failed:" in captured.err
    assert "  missing.jpg: no such file\n" in captured.err


def test_all_well_is_zero_and_says_what_was_written(fake, photos, tmp_path, capsys):
    assert fake(["classify", str(photos), "--out", str(tmp_path / "x.csv")]) == 0
    err = capsys.readouterr().err
    assert re.fullmatch(r"imagist: 7 inputs, [\d.,]+ images/s; wrote .*x\.csv\n", err)


def test_quiet_says_only_what_went_wrong(fake, photos, tmp_path, capsys):
    assert fake(["classify", str(photos), "--out", str(tmp_path / "x.csv"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert fake(["classify", str(photos), "missing.jpg", "--out", str(tmp_path / "y.csv"), "--quiet"]) == 3
    assert capsys.readouterr().err == "imagist: 1 of 8 inputs failed:\n  missing.jpg: no such file\n"


def test_a_long_list_of_failures_is_cut_and_says_where_the_rest_is(fake, photos, tmp_path, capsys):
    missing = [f"missing{n}.jpg" for n in range(15)]
    assert fake(["classify", str(photos), *missing, "--out", str(tmp_path / "x.csv")]) == 3
    err = capsys.readouterr().err
    assert "missing9.jpg" in err
    assert "missing10.jpg" not in err
    assert f"  and 5 more; see error_message in {tmp_path / 'x.csv'}\n" in err


def test_the_table_on_stdout_is_whole_in_a_pipe(fake, photos, capsys):
    assert fake(["classify", str(photos), "missing.jpg"]) == 3
    out = capsys.readouterr().out
    assert f"{photos / '6.png'}   red 180 green 80 blue 90" in out
    assert "source_not_found: no such file" in out
    assert "…" not in out


def test_top_lists_more_categories(fake, photos, capsys):
    assert fake(["classify", str(photos / "0.png"), "--top", "3"]) == 0
    out = capsys.readouterr().out
    assert "3 most probable categories" in out
    assert all(re.search(rf"{label} 0\.\d\d", out) for label in fake_pipeline.LABELS)


def test_settings_reach_the_model(monkeypatch, fake, photos):
    asked = {}
    monkeypatch.setattr("imagist.pipeline.load", lambda *a, **k: asked.update(k, a=a) or fake_pipeline.fake_load(**k))
    options = ["--taxonomy", "sns4", "--views", "crops", "--weight", "0.25", "--abstain-below", "0.5", "--beam", "5"]
    assert fake(["classify", str(photos), *options, "--model", "m", "--threads", "1"]) == 0
    assert asked == {
        "a": ("m",),
        "captioner_settings": {},
        "labels": None,
        "matcher": None,
        "taxonomy": "sns4",
        "views": "crops",
        "weight": 0.25,
        "beam": 5,
        "abstain_below": 0.5,
        "threads": 1,
        "captioner": None,
        "text_classifier": None,
        "image_classifier": None,
        "fusion": None,
        "encoder": None,
        "device": "cpu",
    }


def test_who_abstains_has_no_label_in_the_table(fake, photos, tmp_path):
    assert fake(["classify", str(photos), "--out", str(tmp_path / "x.jsonl"), "--abstain-below", "1"]) == 0
    rows = rows_of(tmp_path / "x.jsonl")
    assert {row["label"] for row in rows} == {None}
    assert all(row["probability"] < 1 for row in rows)


def test_limits_reach_the_decoder(fake, photos, tmp_path):
    out = tmp_path / "x.jsonl"
    assert fake(["classify", str(photos), "--out", str(out), "--max-megapixels", "0.0001"]) == 3
    assert {row["error_kind"] for row in rows_of(out)} == {"image_too_large"}


def test_carried_columns_follow_and_clashing_ones_get_new_names(fake, photos, tmp_path):
    manifest = tmp_path / "posts.csv"
    manifest.write_text("image,user,caption,input.caption\nphotos/0.png,ann,mine,yours\nphotos/nix.png,bob,,\n")
    out = tmp_path / "x.jsonl"
    assert fake(["classify", str(manifest), "--out", str(out)]) == 3
    done, failed = rows_of(out)
    assert list(done) == [*CLASSIFIED, "user", "input.input.caption", "input.caption"]
    assert [done["user"], done["input.input.caption"], done["input.caption"]] == ["ann", "mine", "yours"]
    assert done["caption"].startswith("red ")
    assert [failed["user"], failed["error_kind"]] == ["bob", "source_not_found"]


def test_its_own_output_can_be_its_input(fake, photos, tmp_path):
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    assert fake(["classify", str(photos), "--out", str(first)]) == 0
    assert fake(["classify", str(first), "--column", "source", "--out", str(second)]) == 0
    for before, after in zip(rows_of(first), rows_of(second), strict=True):
        assert after["input.probabilities"] == before["probabilities"] == after["probabilities"]


@pytest.mark.parametrize("how", ["glob", "stdin", "symlink", "list"])
def test_a_table_that_is_read_is_never_replaced(fake, photos, tmp_path, monkeypatch, capsys, how):
    table = tmp_path / "in.csv"
    table.write_text("image,secret\nphotos/0.png,42\n")
    before = table.read_bytes()
    (tmp_path / "link.csv").symlink_to(table)
    (tmp_path / "list.txt").write_text("photos/1.png\nin.csv\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{photos / '1.png'}\n{table}\n"))
    sources = {"glob": f"{tmp_path}/in*.csv", "stdin": "-", "symlink": f"{tmp_path}/link.csv"}
    source = sources.get(how, str(tmp_path / "list.txt"))
    assert fake(["classify", source, "--out", str(table), "--overwrite"]) == 2
    assert "in.csv: is an input, too (write to another file)" in capsys.readouterr().err
    assert table.read_bytes() == before


def test_a_table_of_captions_that_is_read_is_never_replaced(fake, photos, tmp_path, capsys):
    table = tmp_path / "captions.csv"
    table.write_text("image,caption\n0.png,a cat\n")
    captioner = ["--captioner", "recorded", "--captioner-model", str(table)]
    assert fake(["classify", str(photos), *captioner, "--out", str(table), "--overwrite"]) == 2
    assert "captions.csv: is an input, too" in capsys.readouterr().err


def test_a_finished_table_is_replaced_only_if_asked(fake, photos, tmp_path, capsys):
    out = tmp_path / "x.csv"
    assert fake(["classify", str(photos / "0.png"), "--out", str(out)]) == 0
    before = out.read_bytes()
    for more in ([], ["--resume"]):
        capsys.readouterr()
        assert fake(["classify", str(photos), "--out", str(out), *more]) == 2
        assert "x.csv: exists already (name another file, replace it" in capsys.readouterr().err
        assert out.read_bytes() == before
    assert fake(["classify", str(photos), "--out", str(out), "--overwrite"]) == 0
    assert len(rows_of(out)) == 7


def test_a_list_on_stdin(fake, photos, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{photos / '1.png'}\n{photos / '0.png'}\n"))
    assert fake(["classify", "-", "--out", str(tmp_path / "x.csv")]) == 0
    assert [row["source"][-5:] for row in rows_of(tmp_path / "x.csv")] == ["1.png", "0.png"]


def test_a_report_comes_beside_the_table(fake, photos, tmp_path):
    page = tmp_path / "r.html"
    out = ["--out", str(tmp_path / "x.csv")]
    assert fake(["classify", str(photos), "missing.jpg", *out, "--report", str(page)]) == 3
    html = page.read_text("utf-8")
    assert html.count("<article") == 7
    assert "missing.jpg" in html
    assert "fake/own" in html


USAGE = [
    (["{empty}"], "nothing to do: .*empty: no images in this folder"),
    (["nix.jpg", "nix*.png"], "nothing to do: nix.jpg: no such file; .*matches no file"),
    (["{none}.csv"], "nothing to do: no rows"),
    (["{photos}", "--out", "x.ods"], "x.ods: .*format.*csv, .jsonl, .parquet"),
    (["{photos}", "--out", "nowhere/x.csv"], "nowhere/x.csv: its folder does not exist"),
    (["{photos}", "--report", "nowhere/x.html"], "nowhere/x.html: its folder does not exist"),
    (["{photos}", "--report", "{photos}/0.png"], "0.png: a report is a page"),
    (["{photos}", "--resume"], "resume: there is no file to resume"),
    (["{none}.csv", "--out", "{none}.csv"], "none.csv: is an input, too"),
    (["{none}.csv", "--column", "nix"], "no column 'nix'"),
    ([], "the following arguments are required: SOURCES"),
    (["x", "--beam", "0"], "argument --beam"),
    (["x", "--views", "round"], "argument --views: invalid choice"),
]


@pytest.mark.parametrize(("argv", "message"), USAGE)
def test_a_wrong_call_is_one_line_and_starts_nothing(fake, photos, tmp_path, capsys, monkeypatch, argv, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.csv").write_text("image,user\n")
    names = {"photos": photos, "empty": tmp_path / "empty", "none": tmp_path / "none"}
    monkeypatch.setattr("imagist.pipeline.load", lambda *_, **__: pytest.fail("the model was loaded"))
    before = sorted(tmp_path.rglob("*"))
    assert fake(["classify", *(word.format(**names) for word in argv)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(message, captured.err)
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unknown_taxonomy_is_one_line(fake, photos, tmp_path, capsys, monkeypatch):
    def refuse(*_, **__):
        raise UnknownName("no taxonomy of that name", item="x", remedy="one of photos15, sns4")

    monkeypatch.setattr("imagist.pipeline.load", refuse)
    assert fake(["classify", str(photos), "--out", str(tmp_path / "x.csv")]) == 2
    assert capsys.readouterr().err == "imagist: x: no taxonomy of that name (one of photos15, sns4)\n"
    assert not (tmp_path / "x.csv.partial").exists()


class Interrupted(fake_pipeline.FakePipeline):
    """Ctrl-C while the second batch is worked on."""

    calls = 0

    def predict(self, photos):
        Interrupted.calls += 1
        if Interrupted.calls == 2:
            raise KeyboardInterrupt
        return super().predict(photos)


@pytest.fixture
def interrupted(monkeypatch, fake):
    monkeypatch.setattr(Interrupted, "calls", 0)
    monkeypatch.setattr("imagist.pipeline.load", lambda *_, **__: Interrupted())
    return fake


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(interrupted, photos, tmp_path, capsys):
    out, whole = tmp_path / "x y.csv", tmp_path / "whole.csv"
    argv = ["classify", str(photos), "--out", str(out), "--batch-size", "3"]
    assert interrupted(argv) == 130
    err = capsys.readouterr().err
    assert "imagist: stopped after 3 inputs; to go on: imagist classify" in err
    assert f"--out '{out}' --batch-size 3 --resume\n" in err
    assert not out.exists()
    assert interrupted([*argv, "--resume"]) == 0
    assert "resuming after 3 inputs" in capsys.readouterr().err
    assert interrupted(["classify", str(photos), "--out", str(whole)]) == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "x y.csv.partial").exists()


def test_ctrl_c_without_a_file_shows_what_is_done(interrupted, photos, capsys):
    assert interrupted(["classify", str(photos), "--batch-size", "3"]) == 130
    captured = capsys.readouterr()
    assert "2.png" in captured.out
    assert "3.png" not in captured.out
    assert captured.err.endswith("imagist: stopped after 3 inputs\n")


def test_an_unfinished_run_is_not_begun_again_by_mistake(interrupted, photos, tmp_path, capsys):
    argv = ["classify", str(photos), "--out", str(tmp_path / "x.csv"), "--batch-size", "3"]
    interrupted(argv)
    capsys.readouterr()
    assert interrupted(argv) == 2
    assert "3 rows done (add --resume to continue it, or delete that file to start again)" in capsys.readouterr().err


def test_other_inputs_cannot_be_resumed(interrupted, photos, tmp_path, capsys):
    argv = ["classify", str(photos), "--out", str(tmp_path / "x.csv"), "--batch-size", "3"]
    interrupted(argv)
    (photos / "1.png").rename(photos / "9.png")
    capsys.readouterr()
    assert interrupted([*argv, "--resume"]) == 2
    assert re.search(r"row 2 was \S*1\.png and is now \S*2\.png", capsys.readouterr().err)


def test_failures_of_before_count_after_resuming(interrupted, photos, tmp_path, capsys):
    (photos / "0.png").write_bytes(b"")
    argv = ["classify", str(photos), "--out", str(tmp_path / "x.csv"), "--batch-size", "3"]
    interrupted(argv)
    assert interrupted([*argv, "--resume"]) == 3
    assert "1 of 7 inputs failed:" in capsys.readouterr().err


def test_a_resumed_report_says_what_it_lacks(interrupted, photos, tmp_path):
    page = tmp_path / "r.html"
    argv = ["classify", str(photos), "--out", str(tmp_path / "x.csv"), "--batch-size", "3", "--report", str(page)]
    interrupted(argv)
    assert page.read_text("utf-8").count("<article") == 3
    interrupted([*argv, "--resume"])
    assert page.read_text("utf-8").count("<article") == 4
    assert "The 3 inputs done before" in page.read_text("utf-8")


def test_resuming_nothing_begins_and_says_so(fake, photos, tmp_path, capsys):
    assert fake(["classify", str(photos), "--out", str(tmp_path / "x.csv"), "--resume"]) == 0
    assert "nothing to resume; beginning" in capsys.readouterr().err
    assert len(rows_of(tmp_path / "x.csv")) == 7


def test_a_model_that_fails_on_one_image_loses_that_one_alone(monkeypatch, fake, photos, tmp_path):
    class Picky(fake_pipeline.FakePipeline):
        def predict(self, photos):
            if any(photo.source.endswith("4.png") for photo in photos):
                raise RuntimeError("bad shape")
            return super().predict(photos)

    monkeypatch.setattr("imagist.pipeline.load", lambda *_, **__: Picky())
    assert fake(["classify", str(photos), "--out", str(tmp_path / "x.jsonl")]) == 3
    rows = rows_of(tmp_path / "x.jsonl")
    assert [row["error_kind"] for row in rows] == [None] * 4 + ["model_failed"] + [None] * 2
    assert "bad shape" in rows[4]["error_message"]


def test_a_full_disk_keeps_the_journal(monkeypatch, fake, photos, tmp_path, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "remove", lambda _: pytest.fail("the journal was removed"))
    monkeypatch.setattr("imagist.engine.writer.csv.writer", full)
    assert fake(["classify", str(photos), "--out", str(tmp_path / "x.csv")]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / "x.csv.partial").exists()
    assert not (tmp_path / "x.csv").exists()


@pytest.mark.torch
def test_categories_by_name_are_classified_and_explained_like_any_other(photos, tmp_path, capsys):
    pytest.importorskip("onnx")
    from dataclasses import replace

    import sample_parts
    from imagist.cli.main import main
    from imagist.pipeline import load

    matcher = sample_parts.embedded_matcher(tmp_path / "part", zero_shot={"image_threshold": 0.1})
    replace(load(threads=1), matcher=matcher).save(tmp_path / "model", "model")
    (tmp_path / "labels.toml").write_text('[labels]\ncat = "a white cat"\n"red dog" = []\n', "utf-8")
    named = [str(photos), "--model", str(tmp_path / "model"), "--labels", str(tmp_path / "labels.toml"), "--quiet"]
    out, report = tmp_path / "x.jsonl", tmp_path / "r.html"
    assert main(["classify", *named, "--out", str(out), "--report", str(report)]) == 0
    rows = rows_of(out)
    assert all([*row["probabilities"]] == ["cat", "red dog", "none of these"] for row in rows)
    assert "red dog" in report.read_text("utf-8")
    assert (
        main(["explain", str(photos / "0.png"), *named[1:], "--out", str(tmp_path / "explained"), "--grid", "2"]) == 0
    )
    assert rows[0]["label"] in (tmp_path / "explained" / "explanation.html").read_text("utf-8")
    assert f"  {rows[0]['label']} " in capsys.readouterr().out
