import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import ManifestError
from imagist.images.tables.separated import open_separated

cell = st.text(st.characters(exclude_categories=["C"]), max_size=8)
tables = st.integers(2, 4).flatmap(lambda n: st.lists(st.lists(cell, min_size=n, max_size=n), min_size=1, max_size=5))


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path, content):
    table = open_separated(write(path, content))
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
    with pytest.raises(ManifestError, match="line 1 has a byte 0xe9 that is not UTF-8"):
        read(tmp_path / "a.csv", b"a,Gr\xe9\n1,2\n")
    with pytest.raises(ManifestError, match="line 2 has a byte 0xe9 that is not UTF-8"):
        read(tmp_path / "a.csv", b"sep=;\na;Gr\xe9\n1;2\n")


def test_an_open_quote_costs_its_line_alone(tmp_path):
    _, rows, faults = read(tmp_path / "a.csv", 'a,b\n1,"open\n2,x\n3,"y, z"\n4,"last\n5,w')
    assert [cells["a"] for _, cells in rows] == ["2", "3", "5"]
    assert [fault.split(" cannot")[0] for fault in faults] == ["line 2", "line 5"]
    text = "a,b\n" + '1,"open\n' * 3 + "2,x\n" * 50_000
    assert len(read(tmp_path / "b.csv", text)[1]) == 50_000


plain = st.text("ab '\u00e9", max_size=6)
suffixes = st.sampled_from([".jpg", ".PNG", ".webp"])
images = st.one_of(st.builds("{}{}".format, st.text("cd", min_size=1), suffixes), st.just("https://a/b?c=1"))


@given(st.lists(st.tuples(images, plain, plain), min_size=2, max_size=6), st.data())
def test_a_quote_that_a_later_row_happens_to_close_costs_its_line_alone(tmp_path_factory, rows, data):
    names = data.draw(st.permutations(["image", "text", "label"]))
    odd = data.draw(st.integers(0, len(rows) - 2))
    end = data.draw(st.integers(odd + 1, len(rows) - 1))
    rows = [dict(zip(("image", "text", "label"), row, strict=True)) for row in rows]
    rows[odd]["text"], rows[end]["text"] = '"' + rows[odd]["text"], "x" + rows[end]["text"] + '"'
    text = "".join(
        ",".join(row[name] for name in names) + "\n" for row in [dict(zip(names, names, strict=True)), *rows]
    )
    _, placed, faults = read(tmp_path_factory.mktemp("csv") / "a", text)
    assert placed == [(f"line {n + 2}", row) for n, row in enumerate(rows) if n != odd]
    assert [fault.split(" cannot")[0] for fault in faults] == [f"line {odd + 2}"]


words = st.lists(
    st.sampled_from(["a", " ", ",", "\n", '"', "see b.jpg here", "\u00e9", "1,2", "\n\n"]), max_size=8
).map("".join)


@given(st.lists(st.tuples(images, words, words), min_size=1, max_size=4), st.permutations(["image", "text", "label"]))
def test_captions_of_several_lines_are_read(tmp_path_factory, rows, names):
    given = [dict(zip(("image", "text", "label"), row, strict=True)) for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(given)
    _, placed, faults = read(tmp_path_factory.mktemp("csv") / "a", text.getvalue())
    assert [cells for _, cells in placed] == given
    assert not faults


def test_a_row_with_an_open_quote_is_named_with_what_closes_it(tmp_path):
    text = 'image,text,label\na.jpg,"x, y","open\n,no image,c\nb.jpg,5"\n'
    table = open_separated(write(tmp_path / "a.csv", text.replace('5"', '5,d"')))
    odd, none, last = table.rows()
    assert odd.cells == {"image": "a.jpg", "text": "x, y", "label": '"open'}
    assert odd.problem.startswith("line 2 cannot be read: a quote opens in it that line 4 closes")
    assert odd.problem.endswith("; close each quote, and write a quote in a quoted cell twice")
    assert (none.cells["text"], last.cells["label"]) == ("no image", 'd"')


def test_rows_that_are_odd_for_themselves_do_not_hide_an_open_quote(tmp_path):
    text = 'image,text,label\na.jpg,"open,a\nb.jpg,b\nc.jpg,c,c\nd.jpg,d,d,d\ne.jpg,e,e\nf.jpg,5",f\n'
    _, rows, faults = read(tmp_path / "a.csv", text)
    assert [cells["image"] for _, cells in rows] == ["b.jpg", "c.jpg", "e.jpg", "f.jpg"]
    assert [fault.split(" ")[1] for fault in faults] == ["2", "5"]


def test_several_images_of_a_quoted_cell_are_no_rows(tmp_path):
    for text in ('image,text\n"a.jpg\nb.jpg\nc.jpg",x\n', 'image\n"a.jpg\nb.jpg\nc.jpg"\n'):
        _, [(_, cells)], faults = read(tmp_path / "a.csv", text)
        assert (cells["image"], faults) == ("a.jpg\nb.jpg\nc.jpg", [])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('image,"two\nlines",n\na.jpg,x,1\n', ["image", "two\nlines", "n"]),
        ('"image","a, b"\na.jpg,x\n', ["image", "a, b"]),
        ('image,"open\na.jpg,x\nb.jpg,y"\n', ["image", '"open']),
        ('"image,text\na.jpg,x\n', ['"image', "text"]),
        ("image|text\na.jpg|x, y\n", ["image", "text"]),
        ("image,a|b|c\na.jpg,x\n", ["image", "a|b|c"]),
        ('image,"a;b;c"\na.jpg,x\n', ["image", "a;b;c"]),
        ("sep=;\nimage;text\na.jpg;x, y\n", ["image", "text"]),
        ('"SEP=|"\r\n\r\nimage|text\r\na.jpg|x\r\n', ["image", "text"]),
        ("sep=\t\nimage\ttext\na.jpg\tx\n", ["image", "text"]),
    ],
)
def test_headers(tmp_path, text, names):
    found, rows, faults = read(tmp_path / "a.csv", text)
    assert (found, faults) == (names, [])
    assert rows[0][1][names[0]] == "a.jpg"


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
    remedy = "; save the file as UTF-8"
    assert faults == [f"line {n} has a byte {byte} that is not UTF-8{remedy}" for n, byte in ((2, "0xe9"), (4, "0xff"))]


def test_line_ends_of_old_spreadsheets(tmp_path):
    assert [place for place, _ in read(tmp_path / "a.csv", "a,b\r1,2\r3,4\r")[1]] == ["line 2", "line 3"]


def test_repeated_columns_are_all_kept(tmp_path):
    header, rows, _ = read(tmp_path / "a.csv", "image,x,x\na.jpg,1,2\n")
    assert header == ["image", "x", "x.1"]
    assert rows[0][1] == {"image": "a.jpg", "x": "1", "x.1": "2"}
