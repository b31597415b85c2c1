from __future__ import annotations

import csv
import datetime as dt
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagist.engine.writer import check_output, write
from imagist.errors import OutputError
from imagist.records.flat import CAPTION_FIELDS, PREDICTION_FIELDS, columns

CAPTIONED = columns(CAPTION_FIELDS)
CLASSIFIED = columns(PREDICTION_FIELDS)

SUFFIXES = [".csv", ".jsonl", ".parquet"]


def own(source, **known):
    return dict.fromkeys(CLASSIFIED) | {"source": source} | known


FAILED = own("bad.jpg", error_kind="corrupt_image", error_message="is cut short")
DONE = own("a.jpg", caption="a cat", label="cat", probability=0.85, probabilities={"cat": 0.85, "dog": 0.15})
ROWS = [
    (DONE, {"user": "ann", "likes": 3, "day": dt.date(2026, 1, 2), "raw": b"\xff"}),
    (FAILED, {"user": 'bob, "b"\n'}),
]


def read(path):
    """Rows as dicts of Python values."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist(maps_as_pydicts="strict")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_own_columns_come_first_then_the_carried_ones(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write(path, [ROWS[:1], ROWS[1:]], CLASSIFIED)
    done, failed = read(path)
    assert list(done) == [*CLASSIFIED, "user", "likes", "day", "raw"]
    assert [done["source"], failed["source"]] == ["a.jpg", "bad.jpg"]
    assert [done["user"], failed["user"]] == ["ann", 'bob, "b"\n']
    assert failed["error_kind"] == "corrupt_image"
    assert not done["error_kind"]
    assert not failed["probabilities"]
    probabilities = json.loads(done["probabilities"]) if suffix == ".csv" else done["probabilities"]
    assert probabilities == {"cat": 0.85, "dog": 0.15}


def test_parquet_keeps_the_types(tmp_path):
    path = tmp_path / "x.parquet"
    write(path, [ROWS], CLASSIFIED)
    schema = pq.read_schema(path)
    assert schema.field("probabilities").type == pa.map_(pa.string(), pa.float64())
    assert schema.field("likes").type == pa.int64()
    assert read(path)[0]["day"] == dt.date(2026, 1, 2)
    assert read(path)[0]["raw"] == b"\xff"
    assert read(path)[1]["likes"] is None


@pytest.mark.parametrize("chunks", [[[(FAILED, {})]], [[(FAILED, {})], [(DONE, {})]], [[(DONE, {})]]])
def test_the_parquet_schema_does_not_depend_on_what_went_wrong(tmp_path, chunks):
    path = tmp_path / "x.parquet"
    write(path, chunks, CLASSIFIED)
    types = {field.name: field.type for field in pq.read_schema(path)}
    assert types["error_kind"] == types["label"] == pa.string()
    assert types["probability"] == pa.float64()
    assert types["probabilities"] == pa.map_(pa.string(), pa.float64())


def test_pandas_reads_all_three_alike(tmp_path):
    frames = []
    for suffix, reader in zip(
        SUFFIXES, [pd.read_csv, lambda p: pd.read_json(p, lines=True), pd.read_parquet], strict=True
    ):
        write(tmp_path / f"x{suffix}", [ROWS], CLASSIFIED)
        frames.append(reader(tmp_path / f"x{suffix}"))
    for frame in frames:
        assert frame["source"].tolist() == ["a.jpg", "bad.jpg"]
        assert frame["probability"][0] == 0.85
        assert frame["error_kind"].isna().tolist() == [True, False]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_clashing_columns_are_all_there(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    write(path, [[(DONE, {"caption": "mine", "input.caption": "yours"})]], CLASSIFIED)
    (row,) = read(path)
    assert [row["caption"], row["input.input.caption"], row["input.caption"]] == ["a cat", "mine", "yours"]


def test_values_of_several_kinds_are_text_in_parquet(tmp_path):
    path = tmp_path / "x.parquet"
    write(path, [[(DONE, {"c": 1})], [(DONE, {"c": {"a": [1]}})], [(DONE, {"c": None})]], CLASSIFIED)
    assert [row["c"] for row in read(path)] == ["1", '{"a": [1]}', None]


def test_hypotheses_are_a_list_of_structs(tmp_path):
    best = [{"text": "a cat", "logprob": -1.5}]
    for suffix in SUFFIXES:
        path = tmp_path / f"x{suffix}"
        write(path, [[(dict.fromkeys(CAPTIONED) | {"source": "a", "nbest": best}, {})]], CAPTIONED)
        (row,) = read(path)
        assert (json.loads(row["nbest"]) if suffix == ".csv" else row["nbest"]) == best


AWKWARD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(st.lists(AWKWARD, min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_any_text_survives_any_format(tmp_path, texts):
    for suffix in SUFFIXES:
        path = tmp_path / f"x{suffix}"
        write(path, [[(own(text), {"t": text}) for text in texts]], CLASSIFIED)
        assert [(row["source"], row["t"]) for row in read(path)] == [(text, text) for text in texts]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("before")

    def chunks():
        yield ROWS
        raise OSError(28, "No space left on device")

    class Broken:
        def __iter__(self):
            return chunks()

    with pytest.raises(OutputError, match="No space left"):
        write(path, Broken(), CLASSIFIED)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["x.csv"]


@pytest.mark.parametrize("name", ["x.ods", "x", "x.csv.gz", ".csv"])
def test_an_unknown_suffix_lists_the_known_ones(tmp_path, name):
    with pytest.raises(OutputError, match=r"\.csv, \.jsonl, \.parquet"):
        check_output(tmp_path / name)


def test_any_case_of_suffix_will_do(tmp_path):
    check_output(tmp_path / "x.CSV")
    write(tmp_path / "x.CSV", [ROWS], CLASSIFIED)
    assert (tmp_path / "x.CSV").read_text("utf-8").startswith("source,")


def test_a_missing_folder_is_found_before_anything_starts(tmp_path):
    with pytest.raises(OutputError, match="mkdir -p"):
        check_output(tmp_path / "nowhere" / "x.csv")


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path / "x.csv")
