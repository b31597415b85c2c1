"""Folders of sheets, and their names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import OutputError
from imagist.report.sheets import make_folder, sheet_name


@pytest.mark.parametrize("inside", ["", "deep/er"])
def test_a_folder_in_what_is_read_is_refused_and_not_made(inside, tmp_path):
    source = tmp_path / "photos"
    source.mkdir()
    with pytest.raises(OutputError, match="is inside the input") as caught:
        make_folder(source / inside, ["a.jpg", str(source)])
    assert caught.value.remedy
    assert not (source / "deep").exists()


def test_a_folder_elsewhere_is_made_with_those_above_it(tmp_path):
    (tmp_path / "photos").mkdir()
    for _ in range(2):  # it may be there
        make_folder(tmp_path / "photos too" / "x", [str(tmp_path / "photos"), "missing.jpg"])
    assert (tmp_path / "photos too" / "x").is_dir()


def test_what_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made") as caught:
        make_folder(tmp_path / "file" / "x", [])
    assert caught.value.item == str(tmp_path / "file" / "x")


@pytest.mark.parametrize(
    ("source", "name"), [("a/b c.jpg", "000003-b-c.png"), ("///", "000003.png"), ("é.png", "000003.png")]
)
def test_a_sheet_is_named_by_number_and_source(source, name):
    assert sheet_name(3, source) == name


@given(st.integers(0, 10**7), st.text())
def test_sheet_names_are_safe_and_start_with_their_number(number, source):
    name = sheet_name(number, source)
    assert re.fullmatch(r"\d{6,}(-[A-Za-z0-9-]{1,60})?\.png", name)
    assert int(name.split("-")[0].removesuffix(".png")) == number
