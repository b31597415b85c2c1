import pytest

from imagist.datasets.source import Columns, Source, SourceFile, list_of_names
from imagist.errors import DataError


def opened(folder, content, name="a"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return SourceFile(Source(path))


def test_only_the_beginning_is_read(tmp_path):
    assert opened(tmp_path, "x" * 100_000).head == b"x" * 65_536


@pytest.mark.parametrize(
    ("name", "message"), [("none", "no such file"), ("a\0b", "cannot be read"), ("blank", "the file is empty")]
)
def test_what_has_no_beginning(tmp_path, name, message):
    (tmp_path / "blank").write_text(" \n")
    with pytest.raises(DataError, match=f"{message}.*name a table"):
        SourceFile(Source(tmp_path / name)).head  # noqa: B018


def test_a_folder_has_no_lines_and_no_document(tmp_path):
    file = SourceFile(Source(tmp_path))
    assert (file.is_folder, file.head, file.first_lines, file.document, file.is_text) == (True, b"", [], {}, False)


def test_lines_begin_with_the_first_character(tmp_path):
    assert opened(tmp_path, b"\xef\xbb\xbf \n[1, \xff\nx").first_lines == ["[1, \ufffd", "x"]
    assert opened(tmp_path, b"PAR1 and more").first_lines == []


def test_text_is_no_json(tmp_path):
    assert opened(tmp_path, "image,caption").is_text
    assert not opened(tmp_path, "[1]").is_text
    assert not opened(tmp_path, "image", "a.jsonl").is_text


@pytest.mark.parametrize(
    ("content", "expected"), [('{"a": 1}', {"a": 1}), ("[1]", {}), ("x", {}), ('{"a": 1}\n{}', {})]
)
def test_the_document_is_one_object(tmp_path, content, expected):
    assert opened(tmp_path, content).document == expected


def test_a_document_that_is_not_json(tmp_path):
    with pytest.raises(DataError, match=r"not JSON.*\.jsonl"):
        opened(tmp_path, '{"a":').document  # noqa: B018


def test_relative_paths_are_looked_for_in_a_folder(tmp_path):
    source = Source("a.csv", images="/images", names="n.txt", columns=Columns(label="x")).within(tmp_path)
    assert (source.path, str(source.images), source.names, source.only) == (
        tmp_path / "a.csv",
        "/images",
        tmp_path / "n.txt",
        None,
    )
    assert source.columns.given() == {"label": "x"}


def test_lists_of_names(tmp_path):
    (tmp_path / "n").write_bytes(b"\xef\xbb\xbfa \r\n\nb")
    assert list_of_names(tmp_path / "n", "give names") == ["a", "b"]
    for content in (b"", b"\xff\xfe", b"a\n\xe9\n"):
        (tmp_path / "n").write_bytes(content)
        with pytest.raises(DataError, match="n: "):
            list_of_names(tmp_path / "n", "give names")
    with pytest.raises(DataError, match=r"cannot be read: .*\(give names\)"):
        list_of_names(tmp_path / "none", "give names")
