import base64
import json
import os

import pytest

from imagist.errors import ManifestError, SourceNotFound
from imagist.images.manifests import check_manifest, manifest_rows

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(251))


def csv(folder, *lines):
    path = folder / "posts.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def parquet(folder, **columns):
    import pyarrow as pa
    from pyarrow import parquet as pq

    path = folder / "posts.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    "name",
    ["image", "Path", "URL", "media link", "Media_Link", "MEDIA-LINK", "image_path", "ImageURL", "file name", "Photo"],
)
def test_the_column_is_found_by_its_name(tmp_path, name):
    (row,) = manifest_rows(csv(tmp_path, f"id,{name},likes", "7,a.jpg,3"))
    assert row.source == str(tmp_path / "a.jpg")
    assert row.columns == {"id": "7", "likes": "3"}


def test_the_best_of_several_names(tmp_path):
    (row,) = manifest_rows(csv(tmp_path, "url,path,image", "http://a/b,c,d"))
    assert row.source.endswith("d")
    assert row.columns == {"url": "http://a/b", "path": "c"}


@pytest.mark.parametrize("column", ["shot", "SHOT"])
def test_the_column_is_given(tmp_path, column):
    (row,) = manifest_rows(csv(tmp_path, "image,shot", "a,b"), column)
    assert row.source.endswith("b")
    assert row.columns == {"image": "a"}


def test_no_such_column_lists_those_there_are(tmp_path):
    path = csv(tmp_path, "id,shot", "1,a")
    with pytest.raises(ManifestError, match=r"no column of images; it has id, shot .*--column"):
        check_manifest(path)
    with pytest.raises(ManifestError, match="no column 'frame'; it has id, shot"):
        list(manifest_rows(path, "frame"))
    check_manifest(path, "shot")


def test_an_empty_table_has_no_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("")
    with pytest.raises(ManifestError, match="it has none"):
        check_manifest(path)


def test_paths_are_relative_to_the_table_and_addresses_are_left(tmp_path):
    rows = manifest_rows(csv(tmp_path, "path", "sub/a.jpg", "/abs/b.jpg", "https://c/d.jpg", " e.jpg "))
    assert [row.source for row in rows] == [
        os.path.join(tmp_path, "sub/a.jpg"),  # noqa: PTH118
        "/abs/b.jpg",
        "https://c/d.jpg",
        os.path.join(tmp_path, "e.jpg"),  # noqa: PTH118
    ]


def test_an_empty_cell_is_a_row_with_an_error(tmp_path):
    path = csv(tmp_path, "path,n", "a.jpg,1", ",2", "  ,3")
    rows = list(manifest_rows(path))
    assert [row.source for row in rows] == [str(tmp_path / "a.jpg"), f"{path}#3", f"{path}#4"]
    assert [row.columns["n"] for row in rows] == ["1", "2", "3"]
    for row in rows[1:]:
        assert isinstance(row.error, SourceNotFound)
        assert "column 'path' is empty" in str(row.error)


def test_a_line_that_cannot_be_read_is_a_row_with_an_error(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"path": "a"}\n{oops\n{"path": 5}\n{"other": 1}\n')
    rows = list(manifest_rows(path))
    assert [row.source for row in rows] == [str(tmp_path / "a"), f"{path}#2", f"{path}#3", f"{path}#4"]
    assert isinstance(rows[1].error, ManifestError)
    assert "line 2 is not JSON" in str(rows[1].error)
    assert "column 'path' holds int, not an image" in str(rows[2].error)
    assert "column 'path' is empty" in str(rows[3].error)


def test_the_struct_of_hugging_face(tmp_path):
    struct = [
        {"bytes": b"one", "path": "a.jpg"},
        {"bytes": b"two", "path": None},
        {"bytes": None, "path": "c.jpg"},
        {"bytes": b"", "path": ""},
        None,
    ]
    path = parquet(tmp_path, image=struct, label=list("abcde"))
    rows = list(manifest_rows(path))
    assert [row.source for row in rows] == [
        "a.jpg",
        f"{path}#1",
        str(tmp_path / "c.jpg"),
        f"{path}#3",
        f"{path}#4",
    ]
    assert [row.content for row in rows] == [b"one", b"two", None, None, None]
    assert [row.error is None for row in rows] == [True, True, True, False, False]
    assert [row.columns for row in rows] == [{"label": label} for label in "abcde"]


def test_a_struct_in_json(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"image": {"path": "a.jpg"}, "n": 1}))
    (row,) = manifest_rows(path)
    assert (row.source, row.columns) == (str(tmp_path / "a.jpg"), {"n": 1})


def test_a_column_of_bytes(tmp_path):
    path = parquet(tmp_path, jpg=[b"one", None, b""], n=[1, 2, 3])
    rows = list(manifest_rows(path))
    assert [(row.source, row.content) for row in rows] == [
        (f"{path}#0", b"one"),
        (f"{path}#1", None),
        (f"{path}#2", None),
    ]
    assert [isinstance(row.error, SourceNotFound) for row in rows] == [False, True, True]


def test_not_a_number_is_empty(tmp_path):
    (row,) = manifest_rows(parquet(tmp_path, shot=[float("nan")]), "shot")
    assert "is empty" in str(row.error)


def test_a_column_of_numbers_is_no_column_of_images(tmp_path):
    (row,) = manifest_rows(parquet(tmp_path, image=[7], url=["http://a/b"]))
    assert row.source == "http://a/b"
    assert row.columns == {"image": 7}


def test_a_first_row_without_an_image(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1}\n{"id": 2, "image": "a.jpg"}\n')
    first, second = manifest_rows(path)
    assert "column 'image' is empty" in str(first.error)
    assert (second.source, second.columns) == (str(tmp_path / "a.jpg"), {"id": 2})


def test_a_list_of_json(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('[{"image": "a.jpg", "n": 1}, 3]')
    first, second = manifest_rows(path)
    assert (first.source, first.columns) == (str(tmp_path / "a.jpg"), {"n": 1})
    assert (second.source, second.error.message) == (f"{path}#1", "row 1 is int, not a JSON object")


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        ("http://a/1.jpg;http://a/2.jpg", ["http://a/1.jpg", "http://a/2.jpg"]),
        ("http://a/1 https://a/2?b=c,d", ["http://a/1", "https://a/2?b=c,d"]),
        ("1.jpg|2.PNG", ["1.jpg", "2.PNG"]),
        ("1.jpg 2.jpg", ["1.jpg", "2.jpg"]),
        ("my cat.jpg, my dog.jpg", ["my cat.jpg", "my dog.jpg"]),
        ("['1.jpg', '2.jpg']", ["1.jpg", "2.jpg"]),
        ('["1.jpg"]', ["1.jpg"]),
        ("['1.jpg' '2.jpg']", ["1.jpg", "2.jpg"]),
        ("['1.jpg'\n 'my cat.jpg' None]", ["1.jpg", "my cat.jpg", "a.jsonl#1.3"]),
        ("array(['1.jpg', \"it's.jpg\"], dtype=object)", ["1.jpg", "it's.jpg"]),
        ("[np.str_('1.jpg'), np.str_('2.jpg')]", ["1.jpg", "2.jpg"]),
        ("[PosixPath('1.jpg'), PosixPath('2.jpg')]", ["1.jpg", "2.jpg"]),
        ("('1.jpg', '2.jpg')", ["1.jpg", "2.jpg"]),
        ("('1.jpg',)", ["1.jpg"]),
        ("{1.jpg,2.jpg}", ["1.jpg", "2.jpg"]),
        ('{1.jpg,"my cat.jpg",NULL}', ["1.jpg", "my cat.jpg", "a.jsonl#1.3"]),
        ("[1.jpg]", ["1.jpg"]),
        ("[1.jpg, my cat.jpg]", ["1.jpg", "my cat.jpg"]),
        ("[https://a/1,http://b/2]", ["https://a/1", "http://b/2"]),
        ("'1.jpg', '2.jpg'", ["1.jpg", "2.jpg"]),
        ('"1.jpg"', ["1.jpg"]),
        ("[{'path': '1.jpg', 'bytes': None}]", ["1.jpg"]),
        ('{"url": "http://a/1"}', ["http://a/1"]),
        ("s3://a/1.jpg hf://b/2.jpg", ["s3://a/1.jpg", "hf://b/2.jpg"]),
        ("{}", ["a.jsonl#1"]),
        ("['1.jpg' ... '9.jpg']", ["['1.jpg' ... '9.jpg']"]),
        ("{old}", ["{old}"]),
        ('{"likes": 3}', ['{"likes": 3}']),
        ("my cat, my dog.jpg", ["my cat, my dog.jpg"]),
        ("[old].jpg", ["[old].jpg"]),
        ("really.jpg;here.jpg", ["really.jpg;here.jpg"]),
    ],
)
def test_several_images_in_a_text(tmp_path, cell, named):
    (tmp_path / "really.jpg;here.jpg").touch()
    (tmp_path / "a.jsonl").write_text(json.dumps({"image": cell, "n": 1}))
    rows = list(manifest_rows(tmp_path / "a.jsonl"))
    assert [row.source.removeprefix(f"{tmp_path}/") for row in rows] == named
    assert [row.columns for row in rows] == [{"n": 1}] * len(named)


def test_several_images_in_a_list(tmp_path):
    images = [[{"bytes": b"1", "path": None}, {"bytes": b"2", "path": "b"}], [], None]
    path = parquet(tmp_path, images=images, n=[1, 2, 3])
    rows = list(manifest_rows(path))
    assert [(row.source, row.content) for row in rows] == [
        (f"{path}#0.1", b"1"),
        ("b", b"2"),
        (f"{path}#1", None),
        (f"{path}#2", None),
    ]
    assert ["is empty" in str(row.error) for row in rows[2:]] == [True, True]
    assert [row.columns["n"] for row in rows] == [1, 1, 2, 3]


def test_a_table_without_a_header_says_so(tmp_path):
    path = csv(tmp_path, "a.jpg,cat", "b.jpg,dog")
    with pytest.raises(ManifestError, match=r"it has a\.jpg, cat \(give it a header, such as image\)"):
        check_manifest(path)


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_large_image_in_base64(tmp_path, quote):
    content = b"\x89PNG\r\n\x1a\n" + os.urandom(300_000)
    cell = base64.b64encode(content).decode()
    address = f"{quote}{'data:image/png;base64,' if quote else ''}{cell}{quote}"
    first, second = manifest_rows(csv(tmp_path, "image,x", f"{address},1", "b.jpg,2"))
    assert (first.content, first.columns, second.columns) == (content, {"x": "1"}, {"x": "2"})


def test_data_addresses_in_a_list(tmp_path):
    first, second = (f"data:image/png;base64,{base64.b64encode(PNG + bytes([n])).decode()}" for n in (1, 2))
    for n, cell in enumerate(
        (f"{first} {second}", f"{first},{second}", f"[{first}|{second}]", f'["{first}", "{second}"]')
    ):
        path = tmp_path / f"{n}.jsonl"
        path.write_text(json.dumps({"image": cell}))
        assert [(row.source, row.content) for row in manifest_rows(path)] == [
            (f"{path}#1.1", PNG + b"\1"),
            (f"{path}#1.2", PNG + b"\2"),
        ]


@pytest.mark.parametrize("cell", ["nan", "None", "NULL", "N/A", "<NA>", "-"])
def test_a_text_that_stands_for_no_image_is_empty(tmp_path, cell):
    path = csv(tmp_path, "image,n", f"{cell},1")
    (row,) = manifest_rows(path)
    assert (row.source, row.columns, row.error.message) == (f"{path}#2", {"n": "1"}, "column 'image' is empty")
    (tmp_path / cell).mkdir(parents=True)
    (row,) = manifest_rows(path)
    assert row.error is None


def test_what_is_no_image_is_named_by_its_row(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"image": cell}) for cell in ("data:image/png;base64,x", "abcd" * 2000)))
    first, second = manifest_rows(path)
    assert (first.source, first.error.message) == (
        f"{path}#1",
        "column 'image' holds a data: address without an image",
    )
    assert (second.source, second.error.message) == (
        f"{path}#2",
        "column 'image' holds a text of 8,000 characters, not an image",
    )


def test_the_address_in_a_struct(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"image": {"url": "http://a/b.jpg"}}')
    assert [row.source for row in manifest_rows(path)] == ["http://a/b.jpg"]


def test_images_in_data_addresses(tmp_path):
    (row,) = manifest_rows(csv(tmp_path, "image", '"data:image/jpeg;base64,anBlZw=="'))
    assert (row.source, row.content) == (f"{tmp_path / 'posts.csv'}#2", b"jpeg")


def test_a_line_that_is_not_utf8_is_a_row_with_an_error(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"path,author\na.jpg,Andr\xe9\nb.jpg,x\n")
    first, second = manifest_rows(path)
    assert first.error.message == "line 2 has a byte 0xe9 that is not UTF-8; save the file as UTF-8"
    assert second.columns == {"author": "x"}
