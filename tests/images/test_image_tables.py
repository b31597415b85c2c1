import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import ManifestError
from imagist.images.tables import is_table, open_table


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parquet(path, columns, **options):
    import pyarrow as pa
    from pyarrow import parquet as pq

    pq.write_table(pa.table(columns), path, **options)
    return path


def test_suffixes_in_any_case(tmp_path):
    assert all(is_table(tmp_path / name) for name in ("a.csv", "b.TSV", "c.jsonl", "d.ndjson", "e.Parquet"))
    assert not any(is_table(tmp_path / name) for name in ("a.txt", "csv", "a.csv.jpg"))


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
    assert (table.columns, table.usable, table.length) == (["path", "likes"], ["path", "likes"], None)
    rows = [cells for _, cells in table.records()]
    assert rows == [{"path": "a.jpg", "likes": "3"}, {"path": "b.jpg", "likes": "4"}]


def test_places_are_lines_even_where_cells_hold_several(tmp_path):
    table = open_table(write(tmp_path / "a.csv", 'path,text\na,"one\ntwo"\n\nb,c\n'))
    assert [(line, cells["path"]) for line, cells in table.records()] == [(2, "a"), (5, "b")]


def test_a_line_with_too_many_cells_is_one_error(tmp_path):
    table = open_table(write(tmp_path / "a.csv", "path,n\na,1\nb,2,3\nc\n"))
    (_, first), (_, second), (_, third) = table.records()
    assert (first, third) == ({"path": "a", "n": "1"}, {"path": "c"})
    assert isinstance(second, ManifestError)
    assert "line 3 has 3 cells under 2 columns" in str(second)


def test_a_cell_over_the_limit_of_csv_is_one_error(tmp_path):
    table = open_table(write(tmp_path / "a.csv", f"path,n\na,1\nb,{'x' * 200_000}\nc,3\n"))
    kinds = [type(cells) for _, cells in table.records()]
    assert kinds == [dict, ManifestError, dict]


def test_bytes_that_are_no_utf8_cost_only_their_cell(tmp_path):
    table = open_table(write(tmp_path / "a.csv", b"path,n\n\xff.jpg,1\nb.jpg,2\n"))
    assert [cells["n"] for _, cells in table.records()] == ["1", "2"]


def test_json_lines(tmp_path):
    lines = ['{"image": "a.jpg", "tags": ["x"]}', "", '{"image": "b.jpg"}', "{broken", "[1]", '{"image": null}']
    table = open_table(write(tmp_path / "a.jsonl", "\n".join(lines)))
    assert table.columns == ["image", "tags"]
    records = list(table.records())
    assert records[:2] == [(1, {"image": "a.jpg", "tags": ["x"]}), (3, {"image": "b.jpg"})]
    assert "line 4 is not JSON" in str(records[2][1])
    assert "line 5 is not a JSON object" in str(records[3][1])
    assert records[4] == (6, {"image": None})


def test_json_nested_without_end_is_one_error(tmp_path):
    table = open_table(write(tmp_path / "a.jsonl", '{"path": "a"}\n' + "[" * 100_000 + "\n"))
    assert [type(cells) for _, cells in table.records()] == [dict, ManifestError]


@given(st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), min_size=1), min_size=1, max_size=5))
def test_json_lines_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    write(path, "\n".join(map(json.dumps, rows)))
    assert [cells for _, cells in open_table(path).records()] == rows


def test_parquet(tmp_path):
    columns = {"image": [{"bytes": b"x", "path": "a"}] * 50, "n": list(range(50))}
    table = open_table(parquet(tmp_path / "a.parquet", columns, row_group_size=7))
    assert (table.columns, table.usable, table.length) == (["image", "n"], ["image"], 50)
    assert [(place, cells["n"]) for place, cells in table.records()] == [(i, i) for i in range(50)]


def test_types_of_parquet_that_can_hold_images(tmp_path):
    import pyarrow as pa

    columns = {
        "text": ["a"],
        "bytes": [b"a"],
        "words": pa.array(["a"]).dictionary_encode(),
        "struct": [{"path": "a"}],
        "other": [{"x": 1}],
        "number": [1],
        "list": [["a"]],
    }
    table = open_table(parquet(tmp_path / "a.parquet", columns))
    assert table.usable == ["text", "bytes", "words", "struct"]
    assert table.columns == list(columns)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" + bytes(100) + b"PAR1", b"a,b\n1,2\n"])
def test_what_is_no_parquet(tmp_path, content):
    with pytest.raises(ManifestError, match=r"a\.parquet: cannot be read"):
        open_table(write(tmp_path / "a.parquet", content))


def test_parquet_that_is_damaged_on_the_way(tmp_path):
    path = parquet(tmp_path / "a.parquet", {"path": [f"{i}" * 100 for i in range(300)]}, row_group_size=100)
    content = bytearray(path.read_bytes())
    middle = content.index(b"PAR1", 4) // 2 if b"PAR1" in content[4:-4] else len(content) // 2
    content[middle : middle + 2000] = b"\xff" * 2000
    path.write_bytes(content)
    records = list(open_table(path).records())
    assert isinstance(records[-1][1], ManifestError)
    assert f"cannot be read from row {records[-1][0]} on" in str(records[-1][1])
    assert records[-1][0] == len(records) - 1


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_table_that_is_missing(tmp_path, name):
    with pytest.raises(ManifestError, match="cannot be read"):
        open_table(tmp_path / name)


def test_empty_tables(tmp_path):
    assert open_table(write(tmp_path / "a.csv", "")).columns == []
    assert list(open_table(write(tmp_path / "b.csv", "path\n")).records()) == []
    assert open_table(write(tmp_path / "a.jsonl", "\n")).columns == []
