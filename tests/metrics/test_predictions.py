"""Files of predictions, as captioners and people write them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagist.errors import DataError
from imagist.metrics.predictions import PredictedCaption, read_predictions

NAME = st.text("abc/._-é 0", min_size=1, max_size=9).map(str.strip).filter(bool)
CAPTION = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
ROWS = st.lists(st.tuples(NAME, CAPTION), min_size=1, max_size=6)
SAID = [PredictedCaption("a.jpg", "A dog."), PredictedCaption("b.jpg", "")]


def put(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_what_is_written_in_any_format_is_read(rows: list[tuple[str, str]], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    expected = [PredictedCaption(*row) for row in rows]
    with (tmp_path / "p.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("source", "caption"), *rows])
    objects = [{"source": name, "caption": said} for name, said in rows]
    put(tmp_path / "p.jsonl", "".join(json.dumps(each) + "\n" for each in objects))
    put(tmp_path / "p.json", json.dumps(objects))
    parquet.write_table(pa.Table.from_pylist(objects), tmp_path / "p.parquet")
    for suffix in ("csv", "jsonl", "json", "parquet"):
        assert read_predictions(tmp_path / f"p.{suffix}") == expected, suffix


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.csv", "Image,Prediction\na.jpg,A dog.\nb.jpg,\n"),
        ("p.tsv", "file_name\ttext\na.jpg\tA dog.\nb.jpg\t\n"),
        ("p.csv", "image,source,caption,label\nx.jpg,a.jpg,A dog.,cat\ny.jpg,b.jpg,,dog\n"),
        ("p.json", '[{"image_id": "a.jpg", "caption": "A dog."}, {"image_id": "b.jpg", "caption": ""}]'),
        ("p.json", '{"annotations": [{"image": "a.jpg", "caption": "A dog."}, {"image": "b.jpg", "caption": ""}]}'),
        ("p.json", '{"a.jpg": "A dog.", "b.jpg": ""}'),
        ("p.json", '{"a.jpg": ["A dog."], "b.jpg": [""]}'),
        (
            "p.jsonl",
            '{"image": {"path": "a.jpg", "bytes": null}, "caption": "A dog."}\n{"image": "b.jpg","caption":""}',
        ),
    ],
)
def test_columns_may_be_called_many_things(name: str, text: str, tmp_path: Path) -> None:
    assert read_predictions(put(tmp_path / name, text)) == SAID


def test_numbers_are_names_and_no_column_of_names_is_none(tmp_path: Path) -> None:
    results = put(tmp_path / "p.json", '[{"image_id": 139, "caption": "a"}, {"image_id": 0, "caption": "b"}]')
    assert read_predictions(results) == [PredictedCaption("139", "a"), PredictedCaption("0", "b")]
    assert read_predictions(put(tmp_path / "p.csv", "caption\na\n")) == [PredictedCaption("", "a")]
    assert read_predictions(put(tmp_path / "p.txt", " A dog.\n\nTwo dogs\n")) == [
        PredictedCaption("", "A dog."),
        PredictedCaption("", ""),
        PredictedCaption("", "Two dogs"),
    ]


def test_rows_of_another_split_are_left_out(tmp_path: Path) -> None:
    path = put(tmp_path / "p.csv", "source,caption,split\na,x,train\nb,y,dev\n")
    assert read_predictions(path, split="dev") == [PredictedCaption("b", "y")]
    assert len(read_predictions(path)) == 2


def test_what_a_captioner_writes_is_read_and_its_failures_are_named_together(tmp_path: Path) -> None:
    text = "source,caption,caption_logprob,nbest,error_kind,error_message\n"
    text += "a.jpg,A dog.,-3.2,[],,\nb.jpg,,,,corrupt_image,truncated\nc.jpg,,,,empty_file,no bytes\n"
    with pytest.raises(DataError) as caught:
        read_predictions(put(tmp_path / "p.csv", text))
    message = str(caught.value)
    assert "b.jpg: the captioner failed: corrupt_image: truncated" in message
    assert "c.jpg" in message
    assert "a.jpg" not in message


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("p.csv", "source,label\na,b\n", "no column of captions; it has source, label"),
        ("p.json", "{", "not JSON"),
        ("p.json", "[1, 2]", "row 0 is int, not a JSON object"),
        ("p.json", "[]", "no column of captions"),
        ("p.json", '[{"image_id": 1, "caption": ["a"]}, {"image_id": 2}]', "2: caption holds nothing"),
        ("p.jsonl", '{"image": "a", "caption": null}\n', "a: caption holds nothing"),
        ("p.jsonl", '{"image": "a", "caption": "x"}\nnonsense\n', "line 2 is not JSON"),
        ("p.parquet", "nonsense", "cannot be read"),
        ("p.xyz", "a dog\n", "no column of captions; it has a dog"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, text: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_predictions(put(tmp_path / name, text))
    assert expected in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_predictions(tmp_path / "p.csv")


def test_lines_in_another_encoding_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes("A dog.\r\nA caf\u00e9.\r\n".encode("utf-16"))
    assert [each.caption for each in read_predictions(path)] == ["A dog.", "A caf\u00e9."]
    path.write_bytes("A dog.\nA caf\u00e9.\n".encode("cp1252"))
    with pytest.raises(DataError, match=r"p\.txt: line 2 has a byte 0xe9 that is not UTF-8"):
        read_predictions(path)
