"""``imagist explain``: a page for all images, a PNG for each where asked for, exit codes like the others'."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import quadrants
from imagist.cli import main as cli
from imagist.cli.explain import PAGE
from imagist.explanation import ExplainOptions


@pytest.fixture
def command(monkeypatch):
    """The command line, over a pipeline whose reasons are known; what was asked of its loader in ``asked``."""
    monkeypatch.setitem(cli.COMMANDS, "explain", ("imagist.cli.explain", "explain categories of images"))
    asked = {}

    def load(model="embedded", **settings):
        asked.update(settings, model=model)
        return quadrants.pipeline(0.25 if settings["weight"] is None else settings["weight"])

    monkeypatch.setattr("imagist.pipeline.load", load)
    run = lambda *argv: cli.main(["explain", *map(str, argv)])  # noqa: E731
    run.asked = asked
    return run


@pytest.fixture
def images(tmp_path):
    """A folder of the four quadrants."""
    folder = tmp_path / "images"
    folder.mkdir()
    for row in (0, 1):
        for column in (0, 1):
            Image.fromarray(quadrants.image(row, column).pixels).save(folder / f"{row}{column}.png")
    return folder


def test_a_png_for_each_and_a_page_for_all(command, images, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    assert command(images, "--out", out, "--sheets", "--verbose") == 0
    sheets = [f"{number:06d}-{name}.png" for number, name in enumerate(("00", "01", "10", "11"))]
    assert sorted(path.name for path in out.iterdir()) == [*sheets, PAGE]
    with Image.open(out / sheets[0]) as sheet:
        assert (sheet.format, sheet.mode) == ("PNG", "RGB")
        assert sheet.width > 1000
    html = (out / PAGE).read_text("utf-8")
    assert html.count("<article") == 4
    printed = capsys.readouterr()
    assert printed.out.count("fire 93.8%") == 4
    assert "better by" not in printed.out
    assert "red    left out: text -60.0, fused -15.0; region hidden" in printed.out
    assert f"wrote {out / PAGE}" in printed.err


def test_without_being_asked_it_writes_the_page_alone_and_two_lines_an_image(command, images, tmp_path, capsys):
    assert command(images, "--out", tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [PAGE]
    block = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert [line.strip() for line in block[1:]] == [
        "fire 93.8%. Image classifier: fire 95.0%; text classifier: fire 90.0%.",
        "a red thing lies here (left out: red -60.0, thing -10.0, lies 0.0)",
    ]


def test_bad_images_are_rows_and_the_others_go_on(command, images, tmp_path, capsys):
    (images / "01.png").write_bytes(b"no image")
    assert command(images, "missing.png", "--out", tmp_path / "out") == 3
    printed = capsys.readouterr()
    assert printed.out.count("fire 93.8%") == 3
    assert "unknown_format" in printed.out
    assert "source_not_found: no such file" in printed.out
    assert "2 of 5 inputs failed" in printed.err
    html = (tmp_path / "out" / PAGE).read_text("utf-8")
    assert "Failed inputs: 2" in html
    assert html.count("<article") == 3


def test_nothing_to_read_is_a_wrong_call(command, tmp_path, capsys):
    assert command("missing.png", "--out", tmp_path / "out") == 2
    assert "nothing to do" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_deletion_prints_scores_with_intervals_and_puts_them_on_the_page(command, images, tmp_path, capsys):
    assert command(images, "--out", tmp_path / "out", "--deletion", "--grid", "4") == 0
    out = capsys.readouterr().out
    assert "words, by leaving one out: 0." in out
    assert "over 4 images" in out
    assert out.count("better by +0.") >= 3
    assert "Faithfulness of these explanations" in (tmp_path / "out" / PAGE).read_text("utf-8")


def test_settings_reach_the_model_and_the_explanation(command, images, tmp_path, monkeypatch):
    from imagist import explanation as explaining

    seen = []
    own = explaining.explain
    monkeypatch.setattr(
        explaining, "explain", lambda pipeline, photos, options: seen.append(options) or own(pipeline, photos, options)
    )
    argv = ["--taxonomy", "sns4", "--views", "crops", "--weight", "1", "--beam", "5", "--model", "m", "--threads", "1"]
    argv += [
        "--grid",
        "2",
        "--mass",
        "0.75",
        "--fill",
        "blur",
        "--seed",
        "7",
        "--batch-size",
        "5",
        "--quiet",
        "--exact",
    ]
    assert command(images / "00.png", "--out", tmp_path / "out", *argv) == 0
    assert command.asked == {
        "model": "m",
        "taxonomy": "sns4",
        "views": "crops",
        "weight": 1.0,
        "beam": 5,
        "threads": 1,
        "captioner": None,
        "captioner_settings": {},
        "text_classifier": None,
        "image_classifier": None,
        "fusion": None,
        "labels": None,
        "matcher": None,
        "encoder": None,
        "device": "cpu",
    }
    assert seen == [ExplainOptions(grid=2, mass=0.75, fill="blur", batch_size=5, seed=7, exact=True)]


def test_defaults_are_those_of_the_options(command, images, tmp_path, monkeypatch, capsys):
    from imagist.cli.explain import _options
    from imagist.cli.main import command_parser

    assert _options(command_parser("explain").parse_args(["x"])) == ExplainOptions()
    assert command("--help") == 0
    help_text = " ".join(capsys.readouterr().out.split())
    assert f"hidden cell by cell (default: {ExplainOptions().grid})" in help_text
    assert f"region holds (default: {ExplainOptions().mass})" in help_text
    assert f"(default: {ExplainOptions().fill})" in help_text


def test_quiet_says_only_what_went_wrong(command, images, tmp_path, capsys):
    assert command(images, "missing.png", "--out", tmp_path / "out", "--quiet") == 3
    assert capsys.readouterr().err == "imagist: 1 of 5 inputs failed:\n  missing.png: no such file\n"


@pytest.mark.parametrize(
    ("argv", "told"), [(["--mass", "0"], "mass"), (["--seed", "-1"], "seed"), (["--fill", "x"], "--fill")]
)
def test_wrong_settings_are_reported_before_anything_is_read(command, images, tmp_path, capsys, argv, told):
    assert command(images, "--out", tmp_path / "out", *argv) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_output_among_the_inputs_is_refused(command, images, capsys):
    assert command(images, "--out", images / "out") == 2
    assert "the sheets would be read as images" in capsys.readouterr().err


def test_a_second_run_writes_the_same(command, images, tmp_path):
    for name in ("one", "two"):
        assert (
            command(
                images, "--out", tmp_path / name, "--deletion", "--sheets", "--batch-size", 3 if name == "one" else 50
            )
            == 0
        )
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_the_shipped_model_explains_a_image(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(cli.COMMANDS, "explain", ("imagist.cli.explain", "explain categories of images"))
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    argv = ["explain", str(tmp_path / "x.png"), "--out", str(tmp_path / "out"), "--grid", "2", "--threads", "1"]
    assert cli.main(argv) == 0
    assert "Image classifier: " in capsys.readouterr().out
    assert (tmp_path / "out" / PAGE).exists()
