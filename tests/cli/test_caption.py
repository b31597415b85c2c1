from __future__ import annotations

import fake_pipeline
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from imagist.captioning.decoding import Decoding
from imagist.records.flat import CAPTION_FIELDS, columns

CAPTIONED = columns(CAPTION_FIELDS)


def test_captions_alone_on_stdout(fake, photos, capsys):
    assert fake(["caption", str(photos)]) == 0
    out = capsys.readouterr().out
    assert "red 180 green 80 blue 90" in out
    assert "-1.50" in out
    assert "says" not in out


def test_nbest_lists_the_runners_up(fake, photos, tmp_path, capsys):
    assert fake(["caption", str(photos / "0.png"), "--nbest", "2"]) == 0
    assert "blue 90 or so" in capsys.readouterr().out
    out = tmp_path / "x.parquet"
    assert fake(["caption", str(photos), "--nbest", "3", "--out", str(out)]) == 0
    rows = pq.read_table(out).to_pylist()
    assert list(rows[0]) == list(CAPTIONED)
    assert [len(row["nbest"]) for row in rows] == [3] * 7
    assert rows[0]["nbest"][0] == {"text": rows[0]["caption"], "logprob": rows[0]["caption_logprob"]}


@pytest.mark.parametrize(("argv", "beam"), [([], 3), (["--nbest", "5"], 5), (["--nbest", "2", "--beam", "7"], 7)])
def test_the_beam_is_wide_enough_for_what_is_asked(fake, photos, monkeypatch, argv, beam):
    asked = asked_of(monkeypatch)
    assert fake(["caption", str(photos / "0.png"), *argv]) == 0
    assert asked["options"].decoding.beam == beam


def asked_of(monkeypatch):
    """What the command asks of `open_captioner`, once it ran."""
    asked = {}

    def opened(model, options, **more):
        asked.update(more, model=model, options=options)
        return fake_pipeline.FakeCaptioner(options.decoding.nbest)

    monkeypatch.setattr("imagist.captioning.loading.open_captioner", opened)
    return asked


def test_every_option_reaches_the_captioner(fake, photos, monkeypatch):
    asked = asked_of(monkeypatch)
    argv = (
        "--captioner blip --captioner-model some/name --lang de --mbr --no-repeat-ngram-size 3 --top-p 0.9 "
        "--temperature 0.5 --seed 7 --device cpu --cache c.db --threads 2"
    )
    assert fake(["caption", str(photos), *argv.split()]) == 0
    options = asked["options"]
    assert (asked["model"], asked["kind"], str(asked["cache"])) == ("some/name", "blip", "c.db")
    assert (options.language, options.device, options.threads) == ("de", "cpu", 2)
    chosen = options.decoding
    assert (chosen.no_repeat_ngram_size, chosen.top_p, chosen.temperature, chosen.seed) == (3, 0.9, 0.5, 7)
    assert chosen.mbr


@pytest.mark.parametrize(
    ("argv", "beam", "mbr"),
    [([], 6, True), (["--no-mbr"], 6, False), (["--beam", "2"], 2, True), (["--nbest", "8"], 8, True)],
)
def test_a_model_s_own_search_is_kept_but_for_what_is_asked(fake, photos, monkeypatch, argv, beam, mbr):
    asked = asked_of(monkeypatch)
    monkeypatch.setattr("imagist.captioning.loading.card_decoding", lambda bundle: Decoding(6, max_length=9, mbr=True))
    assert fake(["caption", str(photos / "0.png"), *argv]) == 0
    chosen = asked["options"].decoding
    assert (chosen.beam, chosen.mbr, chosen.max_length) == (beam, mbr, 9)


def test_an_unknown_captioner_lists_the_known(photos, capsys):
    from imagist.cli.main import main

    assert main(["caption", str(photos), "--captioner", "blop"]) == 2
    assert "blip" in capsys.readouterr().err


def test_failures_are_rows_and_exit_code_three(fake, photos, tmp_path):
    out = tmp_path / "x.csv"
    assert fake(["caption", str(photos), "missing.jpg", "--out", str(out)]) == 3
    assert pd.read_csv(out)["error_kind"].tolist()[-1] == "source_not_found"


def test_attention_draws_one_sheet_a_image(fake, photos, tmp_path):
    twin = tmp_path / "twin"
    twin.mkdir()
    (photos / "0.png").rename(twin / "1.png")
    (photos / "2.png").write_bytes(b"broken")
    sheets = tmp_path / "deep" / "sheets"
    assert fake(["caption", str(twin), str(photos), "--attention", str(sheets), "--batch-size", "2"]) == 3
    names = sorted(p.name for p in sheets.iterdir())
    assert names == ["000000-1.png", "000001-1.png", "000003-3.png", "000004-4.png", "000005-5.png", "000006-6.png"]
    with Image.open(sheets / names[0]) as sheet:
        assert sheet.format == "PNG"
        assert sheet.width > 1000


def test_sheets_among_the_inputs_are_refused(fake, photos, capsys):
    assert fake(["caption", str(photos), "--attention", str(photos / "sheets")]) == 2
    assert "the sheets would be read as images" in capsys.readouterr().err
    assert not (photos / "sheets").exists()


def test_a_folder_for_sheets_that_cannot_be_made(fake, photos, capsys):
    assert fake(["caption", str(photos / "1.png"), "--attention", str(photos / "0.png" / "x")]) == 2
    assert "cannot be made" in capsys.readouterr().err


def test_a_model_without_attention_says_so(fake, photos, tmp_path, capsys, monkeypatch):
    blind = fake_pipeline.FakeCaptioner(attention=False)
    monkeypatch.setattr("imagist.captioning.loading.open_captioner", lambda *_, **__: blind)
    assert fake(["caption", str(photos), "--attention", str(tmp_path / "sheets")]) == 2
    assert "this model has no attention to draw" in capsys.readouterr().err


def test_other_settings_cannot_be_resumed(fake, photos, tmp_path, capsys):
    from imagist.engine.journal import Journal
    from imagist.images import DecodeLimits

    out, bounds = tmp_path / "x.csv", DecodeLimits()
    made = {"task": "classify", "sources": [str(photos)], "column": None}
    made |= {"max_bytes": bounds.max_bytes, "max_megapixels": bounds.max_megapixels}
    journal = Journal(out, made, resume=False)
    journal.append([({"source": "x"}, {})])
    journal.close()
    assert fake(["caption", str(photos), "--out", str(out), "--resume"]) == 2
    err = capsys.readouterr().err
    assert "task was 'classify' and is now 'caption'" in err
    assert "max_bytes" not in err


def test_sidecars_are_written_beside_the_images(fake, photos, capsys):
    assert fake(["caption", str(photos), "--sidecar", ".txt"]) == 0
    assert (photos / "6.txt").read_text("utf-8") == "red 180 green 80 blue 90\n"
    out, err = capsys.readouterr()
    assert out == ""
    assert "7 files written beside their images" in err
    (photos / "6.txt").unlink()
    assert fake(["caption", str(photos), "--sidecar", ".txt"]) == 0
    assert "1 files written" in (err := capsys.readouterr().err)
    assert "6 images skipped" in err


def test_sidecars_beside_a_table_caption_every_image(fake, photos, tmp_path):
    (photos / "0.txt").write_text("mine\n", "utf-8")
    out = tmp_path / "x.csv"
    assert fake(["caption", str(photos), "--sidecar", ".txt", "--out", str(out), "--quiet"]) == 0
    assert len(pd.read_csv(out)) == 7
    assert (photos / "0.txt").read_text("utf-8") == "mine\n"
    assert (photos / "1.txt").exists()


def test_an_image_without_a_file_of_its_own_is_exit_code_3(fake, photos, capsys):
    assert fake(["caption", str(photos / "0.png"), str(photos / "0.png"), "--sidecar", ".txt"]) == 3
    assert "another image of this name" in capsys.readouterr().err


def test_a_suffix_of_images_is_refused(fake, photos, capsys):
    assert fake(["caption", str(photos), "--sidecar", ".png"]) == 2
    assert "suffix of an image" in capsys.readouterr().err
    for existing in ("skip", "overwrite", "append"):
        assert fake(["caption", str(photos), "--existing", existing]) == 2
        assert "--sidecar" in capsys.readouterr().err
