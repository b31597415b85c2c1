import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.datasets.captions.faults import Faults
from imagist.datasets.labels.separated import separated_rows
from imagist.errors import DataError

cell = st.text(st.characters(exclude_categories=["C"]), max_size=8)
tables = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(cell, min_size=n, max_size=n), min_size=1, max_size=5))


def read(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    faults = Faults()
    header, rows = separated_rows(path, faults)
    return header, [*rows], faults


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
    with pytest.raises(DataError, match="line 6 has 3 cells under 2 columns; a cell with ',' in it stands in double"):
        faults.raise_any()


def test_a_header_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="line 1 cannot be read"):
        read(tmp_path / "a.csv", "x" * 200_000 + ",label\n")
    with pytest.raises(DataError, match="UTF-16"):
        read(tmp_path / "a.csv", "image,label\n".encode("utf-16"))
