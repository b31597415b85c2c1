import gzip
import json
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq

from imagist.errors import ManifestError
from imagist.images.tables import TableRow, is_json_lines, is_parquet, is_table, open_table


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parquet(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_suffixes_in_any_case(tmp_path):
    names = ("a.csv", "b.TSV", "c.jsonl", "d.ndjson", "e.Parquet")
    assert all(is_table(tmp_path / name) for name in names)
    assert not any(is_table(tmp_path / name) for name in ("a.txt", "csv", "a.csv.jpg"))


@pytest.mark.parametrize(
    ("content", "expected"), [(" [1]", True), ('{"a": 1}\n{"a": 2}', True), ('{"image": "a.jpg"}', False), ("", False)]
)
def test_a_json_file_is_a_table_where_it_has_many_rows(tmp_path, content, expected):
    assert is_table(write(tmp_path / "a.json", content)) is expected
    assert not is_table(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "path,likes\na.jpg,3\nb.jpg,4\n"),
        ("a.csv", "path;likes\r\na.jpg;3\r\nb.jpg;4\r\n"),
        ("a.csv", "path\tlikes\na.jpg\t3\nb.jpg\t4"),
        ("a.tsv", "path\tlikes\na.jpg\t3\nb.jpg\t4\n"),
        ("a.csv", "\ufeffpath,likes\na.jpg,3\nb.jpg,4\n"),
        ("a.csv", '"path","likes"\n"a.jpg","3"\n\n"b.jpg","4"\n'),
    ],
)
def test_separated_values(tmp_path, name, content):
    table = open_table(write(tmp_path / name, content))
    assert (table.columns, table.images, table.length) == (["path", "likes"], ["path", "likes"], None)
    assert [row.cells for row in table.rows()] == [{"path": "a.jpg", "likes": "3"}, {"path": "b.jpg", "likes": "4"}]


def test_places_are_lines_even_where_cells_hold_several(tmp_path):
    table = open_table(write(tmp_path / "a.csv", 'path,text\na,"one\ntwo"\n\nb,c\n'))
    found = [(row.place, row.number, row.cells["path"]) for row in table.rows()]
    assert found == [("line 2", "2", "a"), ("line 5", "5", "b")]


def test_a_line_with_too_many_cells_is_one_problem(tmp_path):
    table = open_table(write(tmp_path / "a.csv", "path,n\na,1\nb,2,3\nc\n"))
    first, second, third = table.rows()
    assert (first.cells, third.cells) == ({"path": "a", "n": "1"}, {"path": "c"})
    assert "line 3 has 3 cells under 2 columns" in second.problem


def test_a_cell_over_the_limit_of_csv_is_read(tmp_path):
    table = open_table(write(tmp_path / "a.csv", f"path,n\na,1\nb,{'x' * 200_000}\nc,3\n"))
    assert [len(row.cells["n"]) for row in table.rows()] == [1, 200_000, 1]


def test_json_lines(tmp_path):
    lines = ['{"image": "a.jpg", "tags": ["x"]}', "", '{"image": "b.jpg"}', "{broken", "[1]", '{"image": null}']
    table = open_table(write(tmp_path / "a.jsonl", "\n".join(lines)))
    assert (table.columns, table.length) == (["image", "tags"], 5)
    rows = list(table.rows())
    assert rows[:2] == [TableRow("line 1", {"image": "a.jpg", "tags": ["x"]}), TableRow("line 3", {"image": "b.jpg"})]
    assert "line 4 is not JSON" in rows[2].problem
    assert rows[3].problem == "line 5 is list, not a JSON object"
    assert rows[4] == TableRow("line 6", {"image": None})


def test_columns_of_json_are_those_of_all_rows(tmp_path):
    table = open_table(write(tmp_path / "a.jsonl", '{"id": 1}\n{"id": 2, "image": "a.jpg"}\n'))
    assert table.columns == table.images == ["id", "image"]
    table = open_table(write(tmp_path / "a.json", '[{"id": 1}, {"id": 2, "image": "a.jpg"}, 3]'))
    assert (table.columns, table.length) == (["id", "image"], 3)
    rows = list(table.rows())
    assert [row.place for row in rows] == ["row 0", "row 1", "row 2"]
    assert rows[2].problem == "row 2 is int, not a JSON object"


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("a", "path,n\n1,2\n", ["path", "n"]),
        ("a.csv", '{"path": 1}\n{"path": 2}', ["path"]),
        ("a.csv", '{"path": 1}', ["path"]),
        ("a.csv", ' [{"path": 1}]', ["path"]),
        ("a.tsv", "path,n\n1,2\n", ["path", "n"]),
        ("a.tsv", "path\n1\n", ["path"]),
        ("a.NDJSON", '{"path": 1}', ["path"]),
        ("a.jsonl", '[{"path": 1},\n{"n": 2}]\n', ["path", "n"]),
        ("a.jsonl", '[\n {"path": 1}\n]\n', ["path"]),
        ("a.jsonl", '\ufeff{"path": 1}\n\ufeff{"n": 2}', ["path", "n"]),
        ("a.json", '\ufeff{"path": 1}\n{"n": 2}', ["path", "n"]),
    ],
)
def test_formats_are_known_by_their_content(tmp_path, name, content, columns):
    assert open_table(write(tmp_path / name, content)).columns == columns


@pytest.mark.parametrize(
    ("name", "head", "expected"),
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
def test_json_lines_by_their_suffix_or_their_first_line(name, head, expected):
    assert is_json_lines(Path(name), head.encode()) is expected


def test_parquet_by_its_first_bytes_or_its_suffix():
    assert is_parquet(Path("a.bin"), b"PAR1...")
    assert is_parquet(Path("a.PARQUET"), b"...")
    assert not is_parquet(Path("a.csv"), b"...PAR1")


@pytest.mark.parametrize("content", ["[1", "{]", "[" * 100_000])
def test_json_that_is_none(tmp_path, content):
    with pytest.raises(ManifestError, match=r"a\.json: not JSON"):
        open_table(write(tmp_path / "a.json", content))


TEXTS = {
    "a.csv": "path,n\na.jpg,{0}\n",
    "a.tsv": "path\tn\na.jpg\t{0}\n",
    "a.jsonl": '{{"path": "a.jpg", "n": "{0}"}}\n',
    "a.json": '[{{"path": "a.jpg", "n": "{0}"}}]',
}


@pytest.mark.parametrize("name", [*TEXTS, *(f"{name}.gz" for name in TEXTS)])
@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_text_in_any_encoding_of_unicode(tmp_path, name, encoding):
    content = TEXTS[name.removesuffix(".gz")].format("Andr\u00e9 \u732b").encode(encoding)
    path = write(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
    assert is_table(path)
    assert [row.cells for row in open_table(path).rows()] == [{"path": "a.jpg", "n": "Andr\u00e9 \u732b"}]


@pytest.mark.parametrize("name", [*TEXTS, *(f"{name}.gz" for name in TEXTS)])
def test_text_in_no_encoding_of_unicode_names_the_byte(tmp_path, name):
    content = TEXTS[name.removesuffix(".gz")].format("Andr\u00e9").encode("cp1252")
    path = write(tmp_path / name, gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(ManifestError, match=r"line \d has a byte 0xe9 that is not UTF-8; save the file as UTF-8"):
        raise ManifestError(next(filter(None, (row.problem for row in open_table(path).rows()))))


def test_utf_16_that_ends_within_a_character_costs_its_line(tmp_path):
    table = open_table(write(tmp_path / "a.csv", "path,n\na.jpg,1\nb.jpg,2".encode("utf-16")[:-1]))
    first, last = table.rows()
    assert first.cells == {"path": "a.jpg", "n": "1"}
    assert (last.cells["path"], last.problem[:32]) == ("b.jpg", "line 3 has a byte 0x32 that is n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\3\4 no workbook", "is a ZIP archive, not text (unpack it; if it holds images, name it .zip)"),
        (b"\xd0\xcf\x11\xe0" + bytes(600), "is an Excel workbook, old or protected, not text (save it as CSV, or"),
        (b"BZh91AY&SY", "is a packed file, not text (unpack it, or pack it with gzip)"),
        (gzip.compress(gzip.compress(b"path\na.jpg")), "is packed twice, not text (unpack it)"),
        (b"<!DOCTYPE html>\n<html>", "is a page of HTML, not text (get the table"),
        (b"\x89PNG\r\n\x1a\n", "is an image, not text (give it the suffix of an image)"),
        (bytes(257) + b"ustar", "is a tar archive, not text (name it .tar"),
        (bytes(range(256)), "is binary data, not text (give text, Parquet or .xlsx)"),
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.csv.gz"])
def test_what_is_no_text_is_named_by_its_first_bytes(tmp_path, content, message, name):
    with pytest.raises(ManifestError) as caught:
        open_table(write(tmp_path / name, content))
    assert str(caught.value).startswith(f"{tmp_path / name}: {message}")


def test_an_archive_that_is_named_so_is_not_to_be_named_so(tmp_path):
    with pytest.raises(ManifestError) as caught:
        open_table(write(tmp_path / "a.zip", b"PK\3\4 no workbook"))
    assert str(caught.value).endswith("is a ZIP archive, not text (unpack it)")


def test_parquet_and_workbooks_are_read_whatever_their_names(tmp_path):
    assert open_table(parquet(tmp_path / "a.csv", {"path": ["a.jpg"]})).length == 1
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["path", "n"])
    book.active.append(["a.jpg", 1])
    book.save(tmp_path / "b.xlsx")
    path = (tmp_path / "b.xlsx").rename(tmp_path / "b.csv")
    assert [row.cells for row in open_table(path).rows()] == [{"path": "a.jpg", "n": 1}]


def test_json_nested_without_end_is_one_problem(tmp_path):
    table = open_table(write(tmp_path / "a.jsonl", '{"path": "a"}\n' + "[" * 100_000 + "\n"))
    assert [row.problem is None for row in table.rows()] == [True, False]


def test_bytes_that_are_not_utf8_cost_one_row_of_json(tmp_path):
    table = open_table(write(tmp_path / "a.jsonl", b'{"path": "a"}\n{"path": "\xe9"}\n'))
    assert [row.problem for row in table.rows()] == [
        None,
        "line 2 has a byte 0xe9 that is not UTF-8; save the file as UTF-8",
    ]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), min_size=1), min_size=1, max_size=5))
def test_json_lines_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    write(path, "\n".join(map(json.dumps, rows)))
    assert [row.cells for row in open_table(path).rows()] == rows


def test_json_without_an_object_names_the_first_problem(tmp_path):
    for name, content, message in (
        ("a.jsonl", b'{"path": "\xe9"}\n', "line 1 has a byte 0xe9 that is not UTF-8"),
        ("a.json", b'[["a.jpg"]]', "row 0 is list, not a JSON object"),
    ):
        with pytest.raises(ManifestError, match=message):
            open_table(write(tmp_path / name, content))


def test_blank_lines_before_a_header(tmp_path):
    (row,) = open_table(write(tmp_path / "a.csv", b"\n \npath,n\na,1\n")).rows()
    assert (row.place, row.cells) == ("line 4", {"path": "a", "n": "1"})


@pytest.mark.parametrize(("name", "text"), [("a.jsonl", "%s\n"), ("a.json", "[%s]")])
def test_repeated_names_of_json_are_kept(tmp_path, name, text):
    content = '{"path": "a", "x": 1, "x": {"y": 1, "y": 2}, "x.1": 3}'
    table = open_table(write(tmp_path / name, (text % content).encode()))
    assert [row.cells for row in table.rows()] == [{"path": "a", "x": 1, "x.2": {"y": 1, "y.1": 2}, "x.1": 3}]


def test_parquet(tmp_path):
    columns = {"image": [{"bytes": b"x", "path": "a"}] * 50, "n": list(range(50))}
    table = open_table(parquet(tmp_path / "a.parquet", columns, row_group_size=7))
    assert (table.columns, table.images, table.encoded, table.length) == (["image", "n"], ["image"], ["image"], 50)
    assert [(row.place, row.cells["n"]) for row in table.rows()] == [(f"row {i}", i) for i in range(50)]
    assert next(table.rows(["image"], content=False)).cells == {"image": {"path": "a"}}
    assert next(table.rows(["n"])).cells == {"n": 0}
    assert [row.cells for row in table.rows([])] == [{}] * 50


def test_types_of_parquet_that_can_hold_images(tmp_path):
    columns = {
        "text": ["a"],
        "bytes": [b"a"],
        "words": pa.array(["a"]).dictionary_encode(),
        "view": pa.array(["a"], pa.string_view()),
        "bytes view": pa.array([b"a"], pa.binary_view()),
        "struct": [{"path": "a"}],
        "other": [{"x": 1}],
        "number": [1],
        "numbers": pa.array([1]).dictionary_encode(),
        "list": [["a"]],
    }
    table = open_table(parquet(tmp_path / "a.parquet", columns))
    assert table.images == ["text", "bytes", "words", "view", "bytes view", "struct", "list"]
    assert table.encoded == ["bytes", "bytes view"]
    assert table.columns == list(columns)
    assert next(table.rows()).cells["view"] == "a"


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"a,b\n1,2\n"])
def test_what_is_no_parquet(tmp_path, content):
    with pytest.raises(ManifestError, match=r"a\.parquet: cannot be read as Parquet"):
        open_table(write(tmp_path / "a.parquet", content))


def test_a_cell_that_python_cannot_hold_costs_no_row(tmp_path):
    texts = pa.StringArray.from_buffers(2, *map(pa.py_buffer, (b"\0\0\0\0\1\0\0\0\2\0\0\0", b"a\xff")))
    columns = {"path": ["a", "b"], "when": pa.array([1, 2**62], pa.timestamp("us")), "text": texts}
    first, second = open_table(parquet(tmp_path / "a.parquet", columns)).rows()
    assert (first.cells["path"], first.cells["text"]) == ("a", "a")
    assert second.problem.startswith("row 1: column 'text' is not UTF-8")
    _, second = open_table(tmp_path / "a.parquet").rows(["path", "when"])
    assert second.cells == {"path": "b", "when": str(2**62)}


def damaged(path, columns, spoiled):
    """A Parquet table of row groups of 100 rows whose bytes after a text are spoiled."""
    parquet(path, columns, row_group_size=100, use_dictionary=False, compression="none", data_page_size=1000)
    content = bytearray(path.read_bytes())
    begin = content.index(spoiled) + len(spoiled)
    content[begin : begin + 1500] = b"\xff" * 1500
    path.write_bytes(content)
    return open_table(path)


def test_a_damaged_row_group_costs_its_own_rows_alone(tmp_path):
    columns = {"path": [f"<{i}>" * 20 for i in range(300)], "n": list(range(300))}
    rows = list(damaged(tmp_path / "a.parquet", columns, b"<150>" * 20).rows())
    assert [row.place for row in rows] == [f"row {i}" for i in range(300)]
    failed = [i for i, row in enumerate(rows) if row.problem]
    assert failed == list(range(failed[0], 200))
    assert 100 < failed[0] <= 150
    assert rows[199].problem.startswith("row 199: row group 1 (rows 100 to 199) is damaged: ")
    assert [row.cells["n"] for row in rows] == list(range(300))
    assert rows[299].cells["path"] == "<299>" * 20


def test_rows_whose_images_are_damaged_keep_their_paths(tmp_path):
    columns = {"image": [{"bytes": f"<{i}>".encode() * 20, "path": f"{i}.jpg"} for i in range(200)]}
    table = damaged(tmp_path / "a.parquet", columns, b"<50>" * 20)
    assert [row.cells["image"]["path"] for row in table.rows()] == [f"{i}.jpg" for i in range(200)]
    assert next(islice(table.rows(), 99, None)).problem
    assert not any(row.problem for row in table.rows(content=False))


def test_rows_without_any_trace_are_one_beyond_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr("imagist.images.tables.parquet._MOST_LOST", 5)
    rows = list(damaged(tmp_path / "a.parquet", {"path": ["a" * 100] * 200}, b"PAR1").rows())
    assert [row.place for row in rows] == [*(f"row {i}" for i in range(6)), *(f"row {i}" for i in range(100, 200))]
    assert rows[5].problem.startswith("rows 5 to 99: row group 0 (rows 0 to 99) is damaged")


def test_times_in_nanoseconds_are_cut_to_microseconds(tmp_path):
    moment, kind = 1_700_000_000_123_456_717, pa.timestamp("ns", "UTC")
    columns = {
        "posted": pa.array([moment], kind),
        "all": pa.array([[moment]], pa.list_(kind)),
        "struct": pa.array([{"at": moment, "for": 1_999}], pa.struct({"at": kind, "for": pa.duration("ns")})),
        "time": pa.array([1_999], pa.time64("ns")),
    }
    (row,) = open_table(parquet(tmp_path / "a.parquet", columns)).rows()
    assert (row.problem, row.cells["posted"].microsecond) == (None, 123_456)
    assert row.cells["all"] == [row.cells["posted"]] == [row.cells["struct"]["at"]]
    assert (row.cells["struct"]["for"].microseconds, row.cells["time"].microsecond) == (1, 1)


def test_repeated_columns_of_parquet_are_all_kept(tmp_path):
    columns = [pa.array(["a"]), pa.array([1]), pa.array([2])]
    pq.write_table(pa.Table.from_arrays(columns, ["path", "x", "x"]), tmp_path / "a")
    table = open_table(tmp_path / "a")
    assert table.columns == ["path", "x", "x.1"]
    assert next(table.rows()).cells == next(table.rows(["path"])).cells == {"path": "a", "x": 1, "x.1": 2}


def test_names_of_label_numbers(tmp_path):
    table = pa.table({"label": [1]})
    for metadata, expected in (
        ({"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "x": 1}}}, ("cat", "dog")),
        ({"info": {"features": {"label": {"_type": "Value"}}}}, None),
        ({"info": {"features": None}}, None),
        ([], None),
    ):
        pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(metadata)}), tmp_path / "a.parquet")
        assert open_table(tmp_path / "a.parquet").label_names.get("label") == expected


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a\0.csv"])
def test_a_table_that_is_missing(tmp_path, name):
    with pytest.raises(ManifestError, match="cannot be read"):
        open_table(tmp_path / name)


def test_empty_tables(tmp_path):
    assert open_table(write(tmp_path / "a.csv", "")).columns == []
    assert list(open_table(write(tmp_path / "b.csv", "path\n")).rows()) == []
    assert open_table(write(tmp_path / "a.jsonl", "\n")).columns == []


RAW = "unreadable row"


@pytest.mark.parametrize(
    ("content", "cells"),
    [
        (b"path,who,n\na,caf\xe9,1\n", {"path": "a", "who": "caf\ufffd", "n": "1"}),
        (b'path,who,n\na,"caf\xe9, bar",1\n', {"path": "a", "who": "caf\ufffd, bar", "n": "1"}),
        (b'path,who,n\na,"he said no,1\n', {"path": "a", "who": '"he said no', "n": "1"}),
        (b'path,who,n\na,"he, said no,1\n', {RAW: 'a,"he, said no,1'}),
        (b"path,who,n\na,b,c,d\n", {RAW: "a,b,c,d"}),
        (b"path\twho\tn\na\tcaf\xe9\t1\n", {"path": "a", "who": "caf\ufffd", "n": "1"}),
    ],
)
def test_a_row_with_a_problem_keeps_what_can_be_read_of_it(tmp_path, content, cells):
    first, second = open_table(write(tmp_path / "a.csv", content + content.splitlines()[0].lower() + b"\n")).rows()
    assert first.problem
    assert first.cells == cells
    assert second.problem is None


def test_a_line_of_json_with_a_problem_keeps_what_can_be_read_of_it(tmp_path):
    lines = b'{"path": "a", "n": 1}\n{"path": "b\xe9", "m": 2}\n{"path": "c"\n[1, "x"]\n'
    table = open_table(write(tmp_path / "a.jsonl", lines))
    assert table.columns == ["path", "n"]
    assert [row.cells for row in table.rows()] == [
        {"path": "a", "n": 1}, {"path": "b\ufffd", "m": 2}, {RAW: '{"path": "c"'}, {RAW: '[1, "x"]'},
    ]  # fmt: skip
    assert [row.problem is None for row in table.rows()] == [True, False, False, False]


def test_text_of_parquet_that_is_not_utf8_is_replaced_at_any_depth(tmp_path):
    texts = pa.StringArray.from_buffers(1, *map(pa.py_buffer, (b"\0\0\0\0\2\0\0\0", b"a\xff")))
    inner = pa.StructArray.from_arrays([texts, pa.array([7])], names=["text", "n"])
    columns = {"path": ["a"], "text": texts, "all": pa.ListArray.from_arrays([0, 1], inner)}
    (row,) = open_table(parquet(tmp_path / "a.parquet", columns)).rows()
    assert row.problem.startswith("row 0: column 'text' is not UTF-8")
    assert row.cells == {"path": "a", "text": "a\ufffd", "all": [{"text": "a\ufffd", "n": 7}]}
