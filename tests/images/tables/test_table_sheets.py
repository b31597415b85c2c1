"""Excel workbooks as tables."""

from __future__ import annotations

import datetime as dt
import sys
import zipfile

import pytest

from imagist.errors import ManifestError, MissingExtra
from imagist.images.sources import rows as rows_of
from imagist.images.tables import open_table

openpyxl = pytest.importorskip("openpyxl")


def workbook(path, *rows, sheets=()):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for title, of in sheets:
        sheet = book.create_sheet(title)
        for row in of:
            sheet.append(row)
    book.save(path)
    return path


def test_rows_have_the_types_and_the_numbers_of_the_spreadsheet(tmp_path):
    day = dt.datetime(2026, 5, 4, 3, 2)
    path = workbook(tmp_path / "a.xlsx", [], ["image", "likes", "when"], ["a.jpg", 3, day], [], ["b.jpg", 0.5])
    table = open_table(path)
    assert table.columns == ["image", "likes", "when"]
    first, second = table.rows()
    assert (first.place, first.cells) == ("row 3", {"image": "a.jpg", "likes": 3, "when": day})
    assert (second.place, second.cells) == ("row 5", {"image": "b.jpg", "likes": 0.5})


def test_columns_without_a_name_are_named_by_their_letters(tmp_path):
    table = open_table(workbook(tmp_path / "a.xlsx", ["image", None, "n", "n"], ["a.jpg", "x", 1, 2, "a note"]))
    assert table.columns == ["image", "column B", "n", "n.1"]
    (row,) = table.rows()
    assert row.cells == {"image": "a.jpg", "column B": "x", "n": 1, "n.1": 2, "column E": "a note"}


def test_the_first_sheet_with_cells_is_read_as_often_as_it_is_wanted(tmp_path):
    path = workbook(tmp_path / "a.xlsx", sheets=[("one", [["image"], ["a.jpg"]]), ("two", [["other"]])])
    table = open_table(path)
    assert [[row.cells for row in table.rows()] for _ in range(2)] == [[{"image": "a.jpg"}]] * 2


def test_wrong_dimensions_cut_nothing_off(tmp_path):
    whole = workbook(tmp_path / "whole.xlsx", ["image", "n"], ["a.jpg", 1])
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b'<dimension ref="A1:B2"', b'<dimension ref="A1"'))
    assert [row.cells for row in open_table(path).rows()] == [{"image": "a.jpg", "n": 1}]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\xd0\xcf\x11\xe0" + bytes(600), b"image\na.jpg\n"])
def test_what_is_no_workbook_says_what_to_do(tmp_path, content):
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(ManifestError, match=r"a\.xlsx: cannot be read as \.xlsx: .*save it as CSV"):
        open_table(tmp_path / "a.xlsx")


def test_a_workbook_without_cells_and_one_of_too_much_text_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ManifestError, match="has no cells"):
        open_table(workbook(tmp_path / "a.xlsx"))
    monkeypatch.setattr("imagist.images.tables.sheets.MAX_TEXTS", 10)
    path = workbook(tmp_path / "b.xlsx", ["image"], ["a.jpg"])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/sharedStrings.xml", "x" * 11)
    with pytest.raises(ManifestError, match="too much to read"):
        open_table(path)


def test_a_sheet_that_is_damaged_further_down_costs_what_follows_alone(tmp_path):
    whole = workbook(tmp_path / "whole.xlsx", ["image"], *([f"{n}.jpg"] for n in range(3)))
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b'<row r="4"', b"<<row r="))
    found = list(open_table(path).rows())
    assert found[-1].problem.startswith(f"cannot be read from row {len(found) + 1} on")
    assert [row.problem is None for row in found[:-1]] == [True] * (len(found) - 1)


def test_without_openpyxl_the_remedy_is_named(tmp_path, monkeypatch):
    path = workbook(tmp_path / "a.xlsx", ["image"], ["a.jpg"])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtra, match=r"pip install 'imagist\[xlsx\]', or save it as CSV"):
        rows_of([str(path)])
    (row,) = rows_of([str(tmp_path / "*.xlsx")])  # met only later, so one row among others
    assert isinstance(row.error, MissingExtra)


def test_its_rows_are_images_with_columns(tmp_path):
    rows = ["id", "media link", "text"], [7, "a.jpg", "=SUM(1)"], [8, None, "no image"]
    path = workbook(tmp_path / "posts.xlsx", *rows)
    first, second = rows_of([str(path)])
    assert (first.source, first.columns["id"]) == (str(tmp_path / "a.jpg"), 7)
    assert (second.source, second.error.kind) == (f"{path}#3", "source_not_found")
    assert second.columns == {"id": 8, "text": "no image"}
