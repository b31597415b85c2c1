import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.datasets.captions import read
from imagist.errors import DataError


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.json", " \n", "the file is empty"),
        ("a.json", "{]", "not JSON"),
        ("a.json", '{"dataset": 1, "rows": []}', "JSON with 'dataset', 'rows' is of no known layout"),
        ("a.json", "{}", "no column of images and no column of captions; it has none"),
        ("a.json", '{"images": [{"id": 1}]}', "of no known layout"),
        ("a.json", "[" * 100_000, "not JSON"),
        ("a.json", "[]", "no column of images and no column of captions; it has none"),
        ("a.csv", "name,words\na,b\n", "no column of images and no column of captions; it has 'name', 'words'"),
        ("a.csv", "image,words\na,b\n", "no column of captions"),
        ("a.csv", "a.jpg,A dog runs\n", "the first line, or the schema, names the columns"),
        ("a.csv", "image,caption\n", "no captioned image in it"),
        ("a.txt", "just some words\nand more\n", "no column of images"),
    ],
)
def test_what_cannot_be_understood(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path / name, check_images=False)
    assert error.value.item == str(tmp_path / name)
    assert error.value.remedy


def test_what_is_no_file(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none.csv")
    with pytest.raises(DataError, match="of format folder, which has labels, no captions"):
        read(tmp_path)
    with pytest.raises(DataError, match="cannot be read"):
        read("a\0b.csv")


def assert_records_or_error(path):
    outcome = records_or_error(path)
    assert outcome
    assert isinstance(outcome, list) or str(path) in outcome


def records_or_error(path):
    try:
        return read(path, check_images=False)
    except DataError as error:
        return str(error)


FRAGMENTS = (
    *(b"image,caption\n", b"image_name| comment_number| comment\n", b"image\tcaptions\tsplit\n", b"a.jpg#0\t", b"#1\t"),
    *(b"a.jpg", b"one two", b'["x", "y"]', b"['x' 'y']", b'{"image": "a", "caption": "b"}', b'{"image": 3', b'"'),
    *(b",", b";", b"\t", b"|", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b"[", b"]", b"{", b"}"),
)


@given(
    st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=5), max_size=20).map(b"".join),
    st.sampled_from([".json", ".jsonl", ".csv", ".txt", ".parquet", ""]),
)
def test_any_bytes_give_records_or_a_data_error(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("bytes") / f"a{suffix}"
    path.write_bytes(content)
    assert_records_or_error(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["images", "annotations", "sentences", "caption", "image", "id", "raw"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_gives_records_or_a_data_error(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(document))
    assert_records_or_error(path)
