from pathlib import Path

import pytest

from imagist.datasets.captions.sniffing import are_json_lines, head_of, is_parquet, text_of
from imagist.errors import DataError


def test_only_the_beginning_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    assert head_of(tmp_path / "a") == b"x" * 65_536


@pytest.mark.parametrize(
    ("name", "told"),
    [("none", "no such file"), ("a\0b", "cannot be read"), (".", "cannot be read"), ("blank", "the file is empty")],
)
def test_what_has_no_beginning(tmp_path, name, told):
    (tmp_path / "blank").write_text(" \n")
    with pytest.raises(DataError, match=f"{told}.*name another"):
        head_of(tmp_path / name, "name another")


def test_text_begins_with_its_first_character():
    assert text_of(b"\xef\xbb\xbf \n[1, \xff") == "[1, \ufffd"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.json", '{"a": 1}\n{"a": 2}', True),
        ("a.json", '{"a": 1}\n', False),
        ("a.json", "[1]\n[2]", False),
        ("a.json", '{"a":\n1}', False),
        ("a.json", "[" * 100_000 + "\n1", False),
        ("a.NDJSON", "", True),
        ("a.jsonl", "[1]", True),
    ],
)
def test_json_lines(name, text, expected):
    assert are_json_lines(Path(name), text) is expected


def test_parquet_by_its_first_bytes_or_its_suffix():
    assert is_parquet(Path("a.bin"), b"PAR1...")
    assert is_parquet(Path("a.PARQUET"), b"...")
    assert not is_parquet(Path("a.csv"), b"...PAR1")
