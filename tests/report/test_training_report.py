"""Curves, samples and the card of a training."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib")

from imagist.report.training import card, draw_curves, metrics_table, read_curves, write_report
from outline import Outline

INTERVAL = {"value": 0.5, "low": 0.25, "high": 0.75, "level": 0.95}
MEASURED = {
    "dev": {"en": {"BLEU-4": INTERVAL, "CIDEr": INTERVAL}, "de": {"BLEU-4": INTERVAL, "CIDEr": INTERVAL}},
    "parity": {"images": 7, "equal_captions": 1.0, "logprobs": 1e-6},
    "parameters": {"encoder": 2_000_000, "decoder": 1_500_000},
    "words": 1234,
    "recipe": {"name": "a <small> one"},
}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "bundle").mkdir()
    lines = [
        {"phase": "words", "step": 1, "loss": 9.0},
        {"phase": "words", "step": 2, "loss": 5.0},
        {"phase": "words", "step": 2, "loss": 4.0},  # told again after a kill
        {"phase": "words", "step": 2, "cider": 0.4},
        {"phase": "critical", "step": 1, "reward": 0.2},
    ]
    (tmp_path / "curves.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def test_of_a_step_told_twice_the_later_word_counts(run):
    told = read_curves(run / "curves.jsonl")
    assert told == {"words": {"loss": [(1, 9.0), (2, 4.0)], "cider": [(2, 0.4)]}, "critical": {"reward": [(1, 0.2)]}}
    assert read_curves(run / "none.jsonl") == {}


def test_the_report_shows_curves_figures_and_samples(run):
    samples = [
        SimpleNamespace(
            pixels=np.zeros((8, 8, 3), np.uint8), name="a'b.jpg", captions={"en": "a <b> dog", "de": "ein Hund"},
            references=("one dog & another",),
        )
    ]  # fmt: skip
    write_report(run, MEASURED, samples, 'name = "x"\n')
    with Image.open(run / "curves.png") as curves:
        assert curves.size[0] > 400
    assert b"critical: reward" in (run / "curves.svg").read_bytes()
    page = (run / "report.html").read_text("utf-8")
    outline = Outline(page)
    assert [image["alt"] for image in outline.all("img")] == ["Training curves.", "a'b.jpg"]
    assert [image["src"].partition(";")[0] for image in outline.all("img")] == ["data:image/png", "data:image/jpeg"]
    assert 'name = "x"' in outline.text
    told = ("a &lt;small&gt; one", "en: a &lt;b&gt; dog", "de: ein Hund", "one dog &amp; another", "50.0 [25.0, 75.0]")
    for part in told:
        assert part in page
    assert "http" not in page.replace("http-equiv", "")
    assert (run / "bundle" / "MODEL_CARD.md").read_text("utf-8").startswith("# a <small> one\n")


@pytest.mark.parametrize(
    "told",
    [{}, {"words": {"loss": [(1, 7.7777)]}, "critical": {f"bleu {i}": [(1, 0.1), (2, 0.3124)] for i in range(4)}}],
)
def test_curves_are_drawn_of_none_and_of_many(told, tmp_path):
    draw_curves(told, tmp_path / "of.all")
    assert {file.name for file in tmp_path.iterdir()} == {"of.all.png", "of.all.svg"}
    drawn = (tmp_path / "of.all.svg").read_text("utf-8")
    assert drawn.count("0.312") == 4 * bool(told)  # the best, where more is better
    assert "7.778" not in drawn


def test_the_card_has_a_row_a_language_and_the_recipe():
    text = card(MEASURED, "[words]\nepochs = 3\n")
    assert "| de | 50.0 [25.0, 75.0] | 50.0 [25.0, 75.0] |" in text
    assert "7 images of dev torch and ONNX give 100.0% equal captions" in text
    assert "epochs = 3" in text
    lines = text.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert table[:2] == ["| language | BLEU-4 | CIDEr |", "|---|---:|---:|"]
    assert lines[lines.index(table[-1]) + 1] == ""
    table = metrics_table(MEASURED)
    assert table.heads == ("language", "BLEU-4", "CIDEr")
    assert [row[0] for row in table.rows] == ["en", "de"]
