"""Results as Excel workbooks, and tables for people."""

from __future__ import annotations

import csv
import datetime as dt
import sys
from decimal import Decimal

import pytest

from imagist.engine import sheets
from imagist.engine.writer import Style, check_output, write
from imagist.errors import MissingExtra, UsageError
from imagist.records.flat import PREDICTION_FIELDS, columns

CLASSIFIED = columns(PREDICTION_FIELDS)
SIMPLE = Style("simple")


def own(source, **known):
    return dict.fromkeys(CLASSIFIED) | {"source": source} | known


DONE = own("a.jpg", caption="a cat", label="cat", probability=0.85712, probabilities={"cat": 0.85712, "dog": 0.14288})
FAILED = own("posts.csv#3", error_kind="corrupt_image", error_message="is cut short")
ROWS = [(DONE, {"user": "ann", "tags": ["x", "y"], "seen": 0.123456}), (FAILED, {"user": "bob", "more": {"a": 1}})]


def read(path):
    import openpyxl

    return [[list(row) for row in sheet.iter_rows()] for sheet in openpyxl.load_workbook(path).worksheets]


def values(path):
    return [[[cell.value for cell in row] for row in sheet] for sheet in read(path)]


def test_simple_columns_are_readable(tmp_path):
    write(tmp_path / "x.csv", [ROWS[:1], ROWS[1:]], CLASSIFIED, SIMPLE)
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        header, done, failed = csv.reader(file)
    assert header == [
        "source", "user", "tags", "seen", "more", "caption", "caption_logprob", "caption_confidence", "label",
        "probability", "image_label", "text_label", "error_kind", "error_message",
    ]  # fmt: skip
    assert done[:9] == ["a.jpg", "ann", "x; y", "0.123456", "", "a cat", "", "", "cat"]
    assert failed[:5] == ["posts.csv#3", "bob", "", "", "a: 1"]
    assert failed[-2:] == ["corrupt_image", "is cut short"]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1+1", "-1e", "+49 170"],
)
def test_text_that_begins_as_a_formula_is_harmless_in_simple_csv(tmp_path, text):
    rows = [[(own("a.jpg", caption=text), {text: text})]]
    for style, expected in ((SIMPLE, f"'{text}"), (Style(), text)):
        write(tmp_path / "x.csv", rows, CLASSIFIED, style)
        with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
            header, row = csv.reader(file)
        cells = dict(zip(header, row, strict=True))
        assert (cells[expected], cells["caption"]) == (expected, expected)


@pytest.mark.parametrize("text", ["-1", "+3.5", "-.5", "-1,234.50", "-1e-5", "-3%", "-inf", "-", "--", "", "a=b", "'x"])
def test_what_is_no_formula_stays_as_it_is(tmp_path, text):
    write(tmp_path / "x.csv", [[(own("a.jpg", caption=text), {"n": -1.5})]], CLASSIFIED, SIMPLE)
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["caption"], row["n"]) == (text, "-1.5")


def test_a_byte_order_mark_begins_the_file_where_it_is_wanted(tmp_path):
    write(tmp_path / "x.csv", [ROWS], CLASSIFIED, Style(bom=True))
    assert (tmp_path / "x.csv").read_bytes().startswith(b"\xef\xbb\xbfsource,")
    write(tmp_path / "x.csv", [ROWS], CLASSIFIED)
    assert (tmp_path / "x.csv").read_bytes().startswith(b"source,")


@pytest.mark.parametrize(
    ("name", "style"), [("x.jsonl", SIMPLE), ("x.parquet", SIMPLE), ("x.parquet", Style(bom=True))], ids=str
)
def test_a_style_that_the_format_does_not_have_is_refused(tmp_path, name, style):
    with pytest.raises(UsageError) as caught:
        check_output(tmp_path / name, style)
    assert caught.value.remedy


def test_a_workbook_keeps_numbers_and_dates(tmp_path):
    pytest.importorskip("openpyxl")
    day, moment = dt.date(2026, 5, 4), dt.datetime(2026, 5, 4, 3, 2)
    carried = {
        "n": 3, "big": 10**17, "flag": True, "day": day, "moment": moment, "old": dt.date(1815, 6, 18),
        "zoned": moment.replace(tzinfo=dt.UTC), "money": Decimal("1.50"), "nan": float("nan"), "inf": float("inf"),
        "raw": b"\xff",
    }  # fmt: skip
    write(tmp_path / "x.xlsx", [[(DONE, carried)]], CLASSIFIED)
    ((header, row),) = values(tmp_path / "x.xlsx")
    found = dict(zip(header, row, strict=True))
    assert (found["source"], found["probability"]) == ("a.jpg", 0.85712)
    assert found["probabilities"] == '{"cat": 0.85712, "dog": 0.14288}'
    assert (found["n"], found["flag"], found["money"], found["nan"]) == (3, True, 1.5, None)
    assert (found["day"], found["moment"]) == (dt.datetime(2026, 5, 4), moment)
    assert (found["big"], found["old"], found["inf"]) == ("1" + "0" * 17, "1815-06-18", "inf")
    assert (found["zoned"], found["raw"]) == ("2026-05-04T03:02:00+00:00", "/w==")


def test_text_never_becomes_a_formula(tmp_path):
    pytest.importorskip("openpyxl")
    texts = ['=HYPERLINK("http://example.org","x")', "+1", "-2", "@SUM(A1)", "=", "plain"]
    row = own(texts[0]), dict(zip("abcdef", texts, strict=True)) | {"=header": "x"}
    write(tmp_path / "x.xlsx", [[row]], CLASSIFIED, SIMPLE)
    ((header, cells),) = read(tmp_path / "x.xlsx")
    assert [cell.value for cell in cells[:7]] == [texts[0], *texts]
    assert {cell.data_type for cell in (*header, *cells) if cell.value is not None} == {"s"}
    assert [cell.quotePrefix for cell in cells[1:7]] == [True] * 5 + [False]


def test_what_a_cell_cannot_hold_is_replaced_and_cut(tmp_path):
    pytest.importorskip("openpyxl")
    write(tmp_path / "x.xlsx", [[(own("a.jpg"), {"bell": "a\x07b", "long": "x" * 40_000})]], CLASSIFIED)
    ((header, row),) = values(tmp_path / "x.xlsx")
    found = dict(zip(header, row, strict=True))
    assert found["bell"] == "a\ufffdb"
    assert (len(found["long"]), found["long"][-1]) == (sheets.MAX_TEXT, "\u2026")


def test_rows_beyond_a_sheet_go_to_the_next(tmp_path, monkeypatch):
    pytest.importorskip("openpyxl")
    monkeypatch.setattr(sheets, "MAX_ROWS", 3)
    write(tmp_path / "x.xlsx", [[(own(f"{n}.jpg"), {}) for n in range(5)]], CLASSIFIED)
    assert [[row[0] for row in sheet] for sheet in values(tmp_path / "x.xlsx")] == [
        ["source", "0.jpg", "1.jpg"], ["source", "2.jpg", "3.jpg"], ["source", "4.jpg"],
    ]  # fmt: skip


def test_without_openpyxl_the_remedy_is_named_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtra, match=r"imagist\[xlsx\]', or write \.csv"):
        check_output(tmp_path / "x.xlsx")
