"""The parts that options ask for."""

from __future__ import annotations

import pytest

import space_models
from imagist.cli.main import command_parser
from imagist.cli.opening import captioner_of, captioner_swap, matcher_swap, part_swap, pipeline_of
from imagist.errors import UnknownName, UsageError

SHIPPED = "embedded"


def parsed(command, *argv):
    return command_parser(command).parse_args(["x.jpg", *argv])


@pytest.mark.parametrize("command", ["classify", "explain", "caption", "describe"])
def test_the_captioner_is_a_kind_and_its_model_or_a_folder(command, tmp_path):
    assert captioner_swap(parsed(command)) is None
    swap = captioner_swap(parsed(command, "--captioner", "blip", "--captioner-model", "some/name"))
    assert swap == ("blip", "some/name")
    assert captioner_swap(parsed(command, "--captioner", "blip")) == ("blip", "blip-base")
    assert captioner_swap(parsed(command, "--captioner", SHIPPED)) == SHIPPED
    assert captioner_swap(parsed(command, "--captioner", str(tmp_path))) == str(tmp_path)


@pytest.mark.parametrize(
    ("argv", "error", "message"),
    [
        (["--captioner", "recorded"], UsageError, "--captioner recorded: .*needs a model .*--captioner-model"),
        (["--captioner-model", "x"], UsageError, "needs a kind .*--captioner"),
        (["--captioner", "blop"], UnknownName, "blop: no captioner.*blip, blip2"),
    ],
)
def test_half_a_captioner_is_refused(argv, error, message):
    with pytest.raises(error, match=message):
        captioner_swap(parsed("classify", *argv))


@pytest.mark.parametrize("command", ["classify", "explain"])
def test_the_matcher_is_a_kind_and_its_model_or_a_model(command, tmp_path):
    assert matcher_swap(parsed(command)) is None
    assert matcher_swap(parsed(command, "--matcher", "clip", "--matcher-model", "a/b")) == ("clip", "a/b")
    assert matcher_swap(parsed(command, "--matcher", "clip")) == ("clip", "openai/clip-vit-base-patch32")
    for name in (SHIPPED, str(tmp_path)):  # a model goes before the kind of its name
        assert matcher_swap(parsed(command, "--matcher", name)) == name
    for argv, message in (
        (["--matcher-model", "x"], "needs a kind .*--matcher"),
        (["--matcher", "clop"], "clop: no matcher.*clip, embedded, open_clip"),
    ):
        with pytest.raises(UsageError, match=message):
            matcher_swap(parsed(command, *argv))


@pytest.mark.parametrize(
    ("text", "swap"),
    [
        (None, None),
        ("models/mine", "models/mine"),
        ("linear:models/mine", ("linear", "models/mine")),
        ("C:/models/mine", "C:/models/mine"),
    ],
)
def test_a_part_is_a_folder_or_a_kind_and_a_name(text, swap):
    assert part_swap("image_classifiers", text) == swap


def test_options_reach_the_parts_of_the_pipeline(monkeypatch):
    asked = {}
    monkeypatch.setattr("imagist.pipeline.load", lambda model, **settings: asked.update(settings, model=model))
    argv = "--model mine --captioner git --captioner-model c --text-classifier t --image-classifier linear:i --fusion f"
    argv += " --encoder lite"
    pipeline_of(
        parsed("classify", *argv.split(), "--device", "cuda", "--labels", "a,b", "--matcher", SHIPPED),
        abstain_below=0.5,
    )
    expected = {
        "model": "mine",
        "captioner": ("git", "c"),
        "text_classifier": "t",
        "image_classifier": ("linear", "i"),
        "fusion": "f",
        "encoder": "lite",
        "device": "cuda",
        "abstain_below": 0.5,
        "labels": "a,b",
        "matcher": SHIPPED,
        "taxonomy": None,
    }
    assert {name: asked[name] for name in expected} == expected


@pytest.mark.parametrize("command", ["caption", "describe"])
@pytest.mark.parametrize("name", space_models.NAMES)
def test_the_encoder_reaches_the_captioner(command, name, tmp_path):
    model = space_models.write(tmp_path / "model").path
    captioner, _ = captioner_of(parsed(command, "--model", str(model), "--encoder", name), 1)
    assert captioner.encoder.name == name


@pytest.mark.parametrize("command", ["classify", "explain", "caption", "describe"])
def test_without_a_choice_the_model_decides(command):
    assert parsed(command).encoder is None


def test_the_parts_of_a_model_may_be_its_own():
    argv = ["--captioner", SHIPPED, "--text-classifier", SHIPPED, "--image-classifier", SHIPPED, "--fusion", SHIPPED]
    assert pipeline_of(parsed("classify", *argv)).id == pipeline_of(parsed("classify")).id


def test_the_card_decoding_a_model_is_that_of_its_card():
    from imagist.bundle import open_part
    from imagist.captioning.loading import card_decoding

    captioner, concurrency = captioner_of(parsed("caption", "--threads", "3"), 1)
    search = card_decoding(open_part(SHIPPED, "captioner"))
    assert f"beam={search.beam}" in captioner.id
    assert concurrency == 3
