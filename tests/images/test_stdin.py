import io

import pytest

from imagist.errors import ManifestError
from imagist.images.stdin import names_on


def read(content):
    return list(names_on(io.TextIOWrapper(io.BytesIO(content), "utf-8", errors="surrogateescape")))


def test_names_as_they_come(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / " b.jpg").touch()
    content = b"\xef\xbb\xbfa.jpg\r\n\n b.jpg\n  c.jpg \ncaf\xe9.jpg\nurl,image\n"
    assert read(content) == ["a.jpg", " b.jpg", "c.jpg", "caf\udce9.jpg", "url,image"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n123", "an image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\0", "an image"),
        (b"PK\3\4\x14\0", "an archive or a workbook"),
        (b"\x1f\x8b\x08", "a packed file"),
        (b"PAR1\x15", "a Parquet table"),
        ("a.jpg".encode("utf-16"), "UTF-16"),
        (b"image,text\na.jpg,x\n", "a table"),
        (b'"id";"Image URL"\n', "a table"),
        (b'{"image": "a.jpg"}\n', "a table"),
    ],
)
def test_what_is_no_list_is_refused(content, kind):
    with pytest.raises(ManifestError, match=f"^-: stdin is {kind}, not a list"):
        read(content)


@pytest.mark.parametrize(
    "name", ["http://host/a,url?b=1", "data:image/png;base64,AAAA", "image, url and more.jpg", "image"]
)
def test_what_may_be_a_source_is_one(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image, url and more.jpg").touch()
    assert read(name.encode()) == [name]
