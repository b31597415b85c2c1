import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import ManifestError
from imagist.images.tables.separated import open_separated

cell = st.text(st.characters(exclude_categories=["C"]), max_size=8)
tables = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(cell, min_size=n, max_size=n), min_size=1, max_size=5))


def read(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = open_separated(path)
    rows = [*table.rows()]
    return (
        table.columns,
        [(row.place, row.cells) for row in rows if not row.problem],
        [r.problem for r in rows if r.problem],
    )


@given(tables, st.sampled_from(",;\t"))
def test_quoted_values_against_the_standard_library(tmp_path_factory, rows, delimiter):
    header = [f"column {i}" for i in range(len(rows[0]))]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    found, placed, faults = read(tmp_path_factory.mktemp("csv") / "a", text.getvalue())
    assert found == header
    assert [[*cells.values()] for _, cells in placed] == rows
    assert not faults


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('"all of it"', "all of it"),
        ('"he said ""no"""', 'he said "no"'),
        ('"no" or "yes"', '"no" or "yes"'),
        ('"open', '"open'),
        ('"', '"'),
        ('""', ""),
        ('5" of rain', '5" of rain'),
        ("", ""),
    ],
)
def test_quotes_between_tabs(tmp_path, given, expected):
    header, rows, faults = read(tmp_path / "a.tsv", f"image\ttext\tlabel\r\na.jpg\t{given}\tx\r\n\r\nb.jpg\t\ty")
    assert header == ["image", "text", "label"]
    assert rows == [
        ("line 2", {"image": "a.jpg", "text": expected, "label": "x"}),
        ("line 4", {"image": "b.jpg", "text": "", "label": "y"}),
    ]
    assert not faults


def test_places_are_lines_of_the_file(tmp_path):
    _, rows, faults = read(tmp_path / "a.csv", 'a,b\n1,"x\ny"\n\n2,z\n3,4,5\n6\n')
    assert [place for place, _ in rows] == ["line 2", "line 5", "line 7"]
    assert rows[2][1] == {"a": "6"}
    assert faults == ["line 6 has 3 cells under 2 columns; a cell with ',' in it stands in double quotes"]


def test_a_header_that_cannot_be_read(tmp_path):
    with pytest.raises(ManifestError, match="line 1 cannot be read"):
        read(tmp_path / "a.csv", "x" * 200_000 + ",label\n")
    with pytest.raises(ManifestError, match="UTF-16"):
        read(tmp_path / "a.csv", "image,label\n".encode("utf-16"))


def test_an_open_quote_costs_its_line_alone(tmp_path):
    _, rows, faults = read(tmp_path / "a.csv", 'a,b\n1,"open\n2,x\n3,"y, z"\n4,"last\n5,w')
    assert [cells["a"] for _, cells in rows] == ["2", "3", "5"]
    assert [fault.split(" cannot")[0] for fault in faults] == ["line 2", "line 5"]
    text = "a,b\n" + '1,"open\n' * 3 + "2,x\n" * 50_000
    assert len(read(tmp_path / "b.csv", text)[1]) == 50_000


def test_an_open_quote_between_tabs_is_a_part_of_its_cell(tmp_path):
    _, rows, faults = read(tmp_path / "a.tsv", 'image\ttext\na.jpg\t"RT open\nb.jpg\tfine\n\nc.jpg\t"quoted"\n')
    assert [cells["text"] for _, cells in rows] == ['"RT open', "fine", "quoted"]
    assert not faults


def test_quoted_cells_may_hold_tabs_and_line_ends(tmp_path):
    _, rows, faults = read(tmp_path / "a.tsv", 'a\tb\n1\t"x\ty"\n2\t"one\ntwo"\n3\tz\n')
    assert [cells["b"] for _, cells in rows] == ["x\ty", "one\ntwo", "z"]
    assert not faults


def test_bytes_that_are_not_utf8_cost_their_row(tmp_path):
    _, rows, faults = read(tmp_path / "a.csv", b'a,b\n1,Andr\xe9\n2,"x\n\xff"\n3,y\n')
    assert rows == [("line 5", {"a": "3", "b": "y"})]
    assert faults == ["line 2 has a byte 0xe9 that is not UTF-8", "line 4 has a byte 0xff that is not UTF-8"]
    with pytest.raises(ManifestError, match="line 1 has a byte 0xe9 that is not UTF-8"):
        read(tmp_path / "b.csv", b"a,Gr\xe9\n1,2\n")


def test_line_ends_of_old_spreadsheets(tmp_path):
    assert [place for place, _ in read(tmp_path / "a.csv", "a,b\r1,2\r3,4\r")[1]] == ["line 2", "line 3"]


def test_repeated_columns_are_all_kept(tmp_path):
    header, rows, _ = read(tmp_path / "a.csv", "image,x,x\na.jpg,1,2\n")
    assert header == ["image", "x", "x.1"]
    assert rows[0][1] == {"image": "a.jpg", "x": "1", "x.1": "2"}
