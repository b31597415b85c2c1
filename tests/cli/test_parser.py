from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from imagist.cli.main import command_parser
from imagist.cli.parser import (
    PATIENCE_S,
    Parser,
    add_categories,
    add_data,
    data_folder,
    fraction,
    limits,
    over_zero,
    positive,
    size,
)
from imagist.errors import UsageError
from imagist.images import VIEWS, DecodeLimits


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (positive, "1", 1),
        (positive, "032", 32),
        (fraction, "0", 0.0),
        (fraction, "1", 1.0),
        (fraction, "1e-3", 0.001),
        (over_zero, "0.5", 0.5),
        (size, "500000", 500_000),
        (size, "64M", 64 << 20),
        (size, "2k", 2048),
        (size, "1GiB", 1 << 30),
        (size, "10MB", 10 << 20),
    ],
)
def test_numbers(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [(positive, t) for t in ["0", "-1", "1.5", "", "x", "١", "1_000"]]
    + [(fraction, t) for t in ["-0.1", "1.01", "nan", "inf", "x", ""]]
    + [(over_zero, t) for t in ["0", "-1", "nan", "inf", "x"]]
    + [(size, t) for t in ["0", "-1", "1.5M", "M", "64X", "", "0K"]],
)
def test_what_is_no_such_number_is_refused(kind, text):
    with pytest.raises(argparse.ArgumentTypeError, match="is not a"):
        kind(text)


def test_every_fault_is_one_line_with_a_way_on(capsys):
    with pytest.raises(SystemExit) as stopped:
        command_parser("classify").parse_args(["x", "--weight", "2"])
    err = capsys.readouterr().err
    assert stopped.value.code == 2
    assert err == "imagist classify: argument --weight: '2' is not a number from 0 to 1 (see imagist classify --help)\n"


def test_options_are_never_guessed_from_their_beginning():
    with pytest.raises(SystemExit):
        command_parser("classify").parse_args(["x", "--wei", "0.5"])


def test_limits_are_the_library_s_but_for_what_is_asked():
    parser = command_parser("classify")
    patient = DecodeLimits(patience_s=PATIENCE_S)  # a run may wait for a host, a request may not
    assert limits(parser.parse_args(["x"])) == patient
    asked = limits(parser.parse_args(["x", "--max-bytes", "1M", "--max-megapixels", "3"]))
    assert asked == replace(patient, max_bytes=1 << 20, max_megapixels=3.0)


def test_the_help_states_the_true_defaults_and_choices():
    parser = command_parser("classify")
    text = " ".join(parser.format_help().split())
    assert f"(default: {DecodeLimits().max_bytes >> 20}M)" in text
    assert f"(default: {DecodeLimits().max_megapixels:g} million pixels)" in text
    (views,) = (action.choices for action in parser._actions if action.dest == "views")
    assert set(views) == set(VIEWS)
    defaults = parser.parse_args(["x"])
    for name in ["model", "top", "views", "batch_size", "workers"]:
        assert f"(default: {getattr(defaults, name)})" in text


def test_commands_ask_for_categories_alike():
    bare = Parser(prog="bare")
    add_categories(bare)
    asked = {a.dest: (a.default, a.choices, a.type) for a in bare._actions if a.dest != "help"}
    assert {*asked} == {"taxonomy", "labels", "views", "weight"}
    for name in ("classify", "explain"):
        own = {a.dest: (a.default, a.choices, a.type) for a in command_parser(name)._actions}
        assert asked.items() <= own.items()


def test_the_data_folder_is_that_of_the_call_or_of_the_environment(monkeypatch, tmp_path):
    def folder(*argv):
        parser = Parser(prog="imagist study")
        add_data(parser, "study")
        return data_folder(parser.parse_args(argv))

    monkeypatch.delenv("IMAGIST_DATA", raising=False)
    assert folder("--data", "here") == Path("here")
    with pytest.raises(UsageError, match="IMAGIST_DATA"):
        folder()
    monkeypatch.setenv("IMAGIST_DATA", str(tmp_path))
    assert folder() == tmp_path
    assert folder("--data", "here") == Path("here")
