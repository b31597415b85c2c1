"""Tables as Markdown, read back by markdown-it, and as HTML, read back by the standard library."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagist.errors import OutputError, UsageError
from imagist.report.formatting import plain
from imagist.report.shell import render_page
from imagist.report.tables import Table, write_tables

markdown_it = pytest.importorskip("markdown_it")

CELLS = st.text(st.characters(codec=None), max_size=12) | st.text("[]()|\\`*_~$<>&#!-+.:1a \n", max_size=12)


def html_of(table):
    """The part of a page that shows the table."""
    sections = [{"title": "", "parts": [("table", table)]}]
    page = render_page("study.html", title="", maker="", lead="", facts=[], sections=sections)
    return page[page.index("<figure") : page.index("</figure>") + len("</figure>")]


class Cells(HTMLParser):
    """Rows of cells with their attributes; any other tag than those of a table that opens must close in its place."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.attributes, self.open, self.caption = [], [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        elif self.open and self.open[-1] in ("figcaption", "p"):
            self.caption += data


def of_markdown(text):
    return Cells(markdown_it.MarkdownIt("commonmark").enable("table").enable("strikethrough").render(text))


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4), CELLS)
@example([("a|b", "c\\"), ("`x`", "![a](b)"), ("_a_b_", "[1.0, 2.0](x)"), ("~~x~~", "<i>&amp;")], "1. a\n# b")
@example([("a", "b"), ("[a]: b", "***"), ("\\|", "|")], "- a")
def test_any_text_comes_back_from_markdown_and_html(rows, caption):
    table = Table(("first", "second"), tuple(rows), caption)
    expected = [["first", "second"], *([plain(cell) for cell in row] for row in rows)]
    for read in (of_markdown(table.markdown()), Cells(html_of(table))):
        assert read.rows == expected
        assert read.caption.strip() == plain(caption)


def test_what_is_common_stays_readable():
    table = Table(("system", "accuracy"), (("mobilenetv2_100", "97.6 [96.9, 98.2]"),), "Of photos15, times 100.")
    assert table.markdown() == (
        "| system | accuracy |\n|---|---:|\n| mobilenetv2_100 | 97.6 [96.9, 98.2] |\n\nOf photos15, times 100.\n"
    )


@pytest.mark.parametrize(
    ("column", "numeric"),
    [
        (("1", "2,000"), True), (("1.5 [1.0, 2.0]", "–"), True), (("<0.001", "0.05"), True), (("−3.0", "+2.5"), True),
        (("100.0 †", "97%"), True), (("3d model", "2"), False), (("a", "1"), False), (("", "—"), False),
        (("+1.0 [−0.2, +2.2]", ""), True),
    ],
)  # fmt: skip
def test_columns_of_numbers_are_set_to_the_right(column, numeric):
    table = Table(("name", "value"), tuple(("1", cell) for cell in column))
    assert table.numeric == (False, numeric)
    assert table.markdown().splitlines()[1] == f"|---|{'---:' if numeric else '---'}|"
    values = [attrs for tag, attrs in Cells(html_of(table)).attributes if tag == "td"]
    assert [attrs.get("class") == "number" for attrs in values] == [numeric] * 2


def test_heads_and_first_cells_name_rows_and_columns():
    attributes = Cells(html_of(Table(("a", "b"), (("x", "1"),)))).attributes
    assert [(tag, attrs.get("scope")) for tag, attrs in attributes] == [
        ("th", "col"), ("th", "col"), ("th", "row"), ("td", None),
    ]  # fmt: skip


def test_a_table_without_rows_or_caption_is_a_table():
    table = Table(("a", "b"), ())
    assert table.markdown() == "| a | b |\n|---|---|\n"
    assert Cells(html_of(table)).rows == [["a", "b"]]
    assert "<figcaption" not in html_of(table)


@pytest.mark.parametrize(("heads", "rows"), [((), ()), (("a",), (("x", "y"),)), (("a", "b"), (("x", "y"), ("z",)))])
def test_uneven_rows_are_refused(heads, rows):
    with pytest.raises(UsageError, match="a table of"):
        Table(heads, rows)


def test_tables_are_written_under_their_headings(tmp_path):
    path = tmp_path / "tables.md"
    write_tables(path, "A *study*", {"One": Table(("a",), (("x",),)), "Two": Table(("b",), (), "None.")})
    assert path.read_text("utf-8") == (
        "# A \\*study\\*\n\n## One\n\n| a |\n|---|\n| x |\n\n## Two\n\n| b |\n|---|\n\nNone.\n"
    )
    with pytest.raises(OutputError):
        write_tables(tmp_path / "no" / "tables.md", "A", {})
    assert [file.name for file in tmp_path.iterdir()] == ["tables.md"]
