import io
import json
import random
import tarfile
import zipfile

import pytest

from imagist.errors import ImageTooLarge, ManifestError, SourceNotFound
from imagist.images import DecodeLimits
from imagist.images.shards import check_shard, is_shard, shard_rows


def shard(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_suffixes(tmp_path):
    assert all(is_shard(tmp_path / name) for name in ("a.tar", "a.b.TAR", "a.tar.gz", "a.tgz"))
    assert is_shard(tmp_path / "a.zip")
    assert not any(is_shard(tmp_path / name) for name in ("a.7z", "tar", "a.gz"))


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar", "w:gz")])
def test_images_and_their_texts(tmp_path, suffix, mode):
    members = [
        ("000.jpg", b"one"),
        ("000.json", json.dumps({"likes": 3, "tags": ["a"]}).encode()),
        ("000.txt", "Grüße \n".encode()),
        ("001.cls", b"7\n"),
        ("001.PNG", b"two"),
        ("notes.md", b"#"),
    ]
    path = shard(tmp_path / f"a{suffix}", members, mode)
    first, second = shard_rows(path)
    assert (first.source, first.content) == (f"{path}#000.jpg", b"one")
    assert first.columns == {"likes": 3, "tags": ["a"], "txt": "Grüße"}
    assert (second.source, second.content) == (f"{path}#001.PNG", b"two")
    assert second.columns == {"cls": 7}


def test_the_key_ends_at_the_first_dot_of_the_name_and_has_the_folder(tmp_path):
    members = [
        ("a.b/x.left.jpg", b"1"),
        ("a.b/x.right.jpg", b"2"),
        ("a.b/x.json", b'{"n": 1}'),
        ("c/x.jpg", b"3"),
    ]
    rows = list(shard_rows(shard(tmp_path / "a.tar", members)))
    assert [(row.content, dict(row.columns)) for row in rows] == [(b"1", {"n": 1}), (b"2", {"n": 1}), (b"3", {})]


@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("x.json", b"[1, 2]", {"json": [1, 2]}),
        ("x.json", b"{oops", {"json": "{oops"}),
        ("x.json", b"[" * 100_000, {"json": "[" * 100_000}),
        ("x.json", b'{"a": 1, "a": 2}', {"a": 1, "a.1": 2}),
        ("x.cls", b"cat", {"cls": "cat"}),
        ("x.cls", b"9" * 5000, {"cls": "9" * 5000}),
        ("x.txt", "\ufeffü".encode(), {"txt": "ü"}),
        ("x.txt", "ü".encode("utf-16"), {"txt": "ü"}),
        ("x.json", '{"t": "ü"}'.encode("utf-16"), {"t": "ü"}),
        ("x.jpg.json", b'{"n": 1}', {"n": 1}),
        ("x.meta.json", b'{"n": 1}', {"meta.json": {"n": 1}}),
        ("x.de.txt", b"t", {"de.txt": "t"}),
    ],
)
def test_odd_sidecars(tmp_path, name, content, columns):
    (row,) = shard_rows(shard(tmp_path / "a.tar", [("x.jpg", b"1"), (name, content)]))
    assert row.columns == columns


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("fine\ncaf\u00e9".encode("cp1252"), "line 2 has a byte 0xe9 that is not UTF-8"),
        (bytes(1 << 21), "more than 1,048,576"),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_a_text_that_cannot_be_read_is_the_error_of_its_image(tmp_path, content, problem, apart):
    members = [("x.jpg", b"1"), *([("y.jpg", b"2")] if apart else []), ("x.txt", content), ("x.json", b'{"n": 1}')]
    path = shard(tmp_path / "a.tar", members)
    row = next(shard_rows(path))
    assert isinstance(row.error, ManifestError)
    assert problem in row.error.message
    assert (row.source, row.error.item, dict(row.columns)) == (f"{path}#x.jpg", f"{path}#x.txt", {"n": 1})


def test_each_image_of_many_with_dots_in_their_names_has_its_own_text(tmp_path):
    names = [f"IMG.2024.{n}" for n in range(50)]
    images, texts = [(f"{name}.jpg", b"1") for name in names], [(f"{name}.txt", name.encode()) for name in names]
    orders = (images + texts, texts + images, [each for pair in zip(images, texts, strict=True) for each in pair])
    for number, members in enumerate(orders):
        rows = list(shard_rows(shard(tmp_path / f"{number}.tar", members)))
        assert [row.columns for row in rows] == [{"txt": name} for name in names]


def test_a_text_of_a_long_sample_is_of_all_its_images(tmp_path):
    images = [(f"x.{n}.jpg", b"1") for n in range(50)]
    for number, members in enumerate(([*images, ("x.cls", b"7")], [("x.cls", b"7"), *images])):
        assert [row.columns for row in shard_rows(shard(tmp_path / f"{number}.tar", members))] == [{"cls": 7}] * 50


def test_of_a_name_given_twice_both_values_are_kept(tmp_path):
    members = [("c.jpg", b"1"), ("c.json", b'{"k": 1, "same": 0}'), ("c.jpg.json", b'{"k": 2, "same": 0}')]
    (row,) = shard_rows(shard(tmp_path / "a.tar", members))
    assert row.columns == {"k": 1, "same": 0, "k.1": 2}


def test_what_is_left_out_is_said_once(tmp_path, caplog):
    members = [("a.jpg", b"1"), ("b.zip", b"PK"), ("notes.md", b""), ("posts.csv", b"image"), ("t/read.txt", b"x")]
    path = shard(tmp_path / "a.tar", [*members, ("v.mp4", b""), ("v.json", b"{}")])
    for _ in range(2):
        assert len(list(shard_rows(path))) == 1
    said = [record.getMessage() for record in caplog.records]
    assert [message.partition(" (")[0] for message in said] == [
        f"{path}: texts that belong to no image are not read: t/read.txt",
        f"{path}: archives and tables in it are not read: b.zip and 1 more",
    ]


def test_an_archive_is_known_by_its_first_bytes_where_its_suffix_is_wrong(tmp_path):
    shard(tmp_path / "a.tar", [("a.jpg", b"1")]).rename(tmp_path / "b.zip")
    zipped(tmp_path / "a.zip", [("a.jpg", b"2")]).rename(tmp_path / "b.tar")
    assert [row.content for name in ("b.zip", "b.tar") for row in shard_rows(tmp_path / name)] == [b"1", b"2"]


def test_names_in_a_zip_archive_are_utf_8_though_it_does_not_say_so(tmp_path):
    path = zipped(tmp_path / "a.zip", [("caf\u00e9.jpg", b"1")])
    path.write_bytes(path.read_bytes().replace(b"\x14\x00\x00\x08", b"\x14\x00\x00\x00"))
    assert [row.source for row in shard_rows(path)] == [f"{path}#caf\u00e9.jpg"]


def test_an_image_over_the_limit_is_an_error_also_by_its_first_bytes(tmp_path):
    png = b"\x89PNG\r\n\x1a\n" + bytes(300)
    (row,) = shard_rows(shard(tmp_path / "a.tar", [("a", png)]), DecodeLimits(max_bytes=200))
    assert isinstance(row.error, ImageTooLarge)


def test_members_over_the_limit_are_not_read(tmp_path):
    path = shard(tmp_path / "a.tar", [("a.jpg", bytes(1000)), ("b.jpg", b"2")])
    first, second = shard_rows(path, DecodeLimits(max_bytes=999))
    assert isinstance(first.error, ImageTooLarge)
    assert first.error.item == first.source == f"{path}#a.jpg"
    assert second.content == b"2"


def linked(path, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, kind, target in (
            ("d.jpg", tarfile.DIRTYPE, ""),
            ("a/l.jpg", tarfile.SYMTYPE, "../b/x.jpg"),
            ("b/x.jpg", tarfile.REGTYPE, ""),
            ("h.jpg", tarfile.LNKTYPE, "b/x.jpg"),
            ("out.jpg", tarfile.SYMTYPE, "/etc/hostname"),
            ("self.jpg", tarfile.SYMTYPE, "self.jpg"),
            ("f.jpg", tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, target, 2 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(b"ab"))
    return path


def test_links_are_followed_within_a_tar_file(tmp_path):
    path = linked(tmp_path / "a.tar")
    rows = {row.source.partition("#")[2]: row for row in shard_rows(path)}
    assert list(rows) == ["a/l.jpg", "b/x.jpg", "h.jpg", "out.jpg", "self.jpg"]
    assert [rows[name].content for name in ("a/l.jpg", "b/x.jpg", "h.jpg")] == [b"ab"] * 3
    assert str(rows["out.jpg"].error) == (
        "out.jpg: a link to /etc/hostname, which is not in the archive (pack that file, too)"
    )
    assert isinstance(rows["self.jpg"].error, SourceNotFound)


def test_links_are_followed_within_a_packed_tar_file(tmp_path):
    rows = {row.source.partition("#")[2]: row for row in shard_rows(linked(tmp_path / "a.tgz", "w:gz"))}
    assert [rows[name].content for name in ("a/l.jpg", "b/x.jpg", "h.jpg")] == [b"ab"] * 3
    assert [str(rows[name].error)[:22] for name in ("out.jpg", "self.jpg")] == [
        "out.jpg: a link to /et",
        "self.jpg: a link to se",
    ]


def test_a_hard_link_may_precede_its_file_and_a_link_may_be_damaged(tmp_path):
    path = tmp_path / "a.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, kind in (("h.jpg", tarfile.LNKTYPE), ("x.jpg", tarfile.REGTYPE), ("y.jpg", tarfile.REGTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size = kind, "x.jpg", 60_000 if kind == tarfile.REGTYPE else 0
            tar.addfile(info, io.BytesIO(random.Random(name).randbytes(60_000)))
    whole = list(shard_rows(path))
    assert whole[0].content == whole[1].content is not None
    path.write_bytes(path.read_bytes()[:-60_000])
    first, second, last = shard_rows(path)
    assert "in an archive that is damaged" in str(first.error)
    assert second.error is None
    assert isinstance(last.error, ManifestError)


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


APPLE = [
    ("__MACOSX/._000.jpg", b"junk"),
    ("._000.jpg", b"junk"),
    ("000.jpg", b"one"),
    ("._000.txt", b"junk"),
    ("000.txt", b"cap"),
    (".DS_Store", b"junk"),
]


@pytest.mark.parametrize("make", [shard, zipped])
def test_what_macos_adds_is_left_out(tmp_path, make):
    (row,) = shard_rows(make(tmp_path / ("a.tar" if make is shard else "a.zip"), APPLE))
    assert (row.source[-7:], row.content, row.columns) == ("000.jpg", b"one", {"txt": "cap"})


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tgz", "w:gz")])
def test_sidecars_apart_from_their_images_are_found(tmp_path, suffix, mode):
    members = [("./a.txt", b"A"), ("./b.txt", b"B"), ("./a.jpg", b"1"), ("./b.jpg", b"2"), ("./a.json", b'{"n": 1}')]
    rows = list(shard_rows(shard(tmp_path / f"a{suffix}", members, mode)))
    assert [(row.content, row.columns) for row in rows] == [(b"1", {"txt": "A", "n": 1}), (b"2", {"txt": "B"})]


def test_members_are_known_by_their_first_bytes_too(tmp_path):
    png = b"\x89PNG\r\n\x1a\n" + bytes(300)
    members = [("a.jpg_large", png), ("b.mp4", b"BM no image"), ("c", b"P1 neither")]
    for path in (shard(tmp_path / "a.tar", members), zipped(tmp_path / "a.zip", members)):
        (row,) = shard_rows(path)
        assert (row.source, row.content) == (f"{path}#a.jpg_large", png)


def test_an_archive_without_images_is_one_row_with_an_error(tmp_path):
    for path in (shard(tmp_path / "a.tar", [("a.md", b"#")]), zipped(tmp_path / "a.zip", [])):
        (row,) = shard_rows(path)
        assert str(row.error) == f"{path}: no images in this archive"


def test_a_zip_archive_with_a_damaged_and_an_encrypted_member(tmp_path):
    path = zipped(tmp_path / "a.zip", [(f"{name}.jpg", bytes(range(256)) * 9) for name in "abc"])
    content = bytearray(path.read_bytes())
    content[content.index(b"a.jpg") + 8] ^= 0xFF  # its data
    header = content.index(b"PK\1\2", content.index(b"PK\1\2") + 1)
    content[header + 8] |= 1  # encrypted, it says
    path.write_bytes(content)
    rows = list(shard_rows(path))
    assert [row.error is None for row in rows] == [False, False, True]
    assert "encrypted" in rows[1].error.message
    assert "cannot be read from the archive" in rows[0].error.message


def test_a_link_in_a_zip_archive_is_followed(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b/x.jpg", b"ab")
        links = {
            "a/l.jpg": "../b/x.jpg",
            "a/n.jpg": "nowhere",
            "m.jpg": "a/l.jpg",
            "o.jpg": "o.jpg",
            "p.jpg": "/p/../p",
        }
        for name, target in links.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, target)
    found = {row.source.partition("#")[2]: row for row in shard_rows(path)}
    assert found["a/l.jpg"].content == found["m.jpg"].content == b"ab"
    assert all("a link that leads to nothing" in found[name].error.message for name in ("a/n.jpg", "o.jpg", "p.jpg"))


def test_one_key_for_all_does_not_hold_all(tmp_path):
    path = shard(tmp_path / "a.tar", [(f"x.{i}.jpg", b"%d" % i) for i in range(100)])
    assert [row.content for row in shard_rows(path)] == [b"%d" % i for i in range(100)]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_truncated_shard_gives_what_it_has_and_then_an_error(tmp_path, mode):
    path = shard(tmp_path / "a.tar", [(f"{i}.jpg", bytes(range(256)) * (i + 1) * 7) for i in range(9)], mode)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    *rows, last = shard_rows(path)
    assert all(row.error is None for row in rows)
    assert isinstance(last.error, ManifestError)
    assert last.source == str(path)


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100, b"\x1f\x8b\x08" + b"junk" * 50])
def test_what_is_no_shard(tmp_path, content):
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"a\.tar: not a readable tar file"):
        check_shard(path)
    (row,) = shard_rows(path)
    assert isinstance(row.error, ManifestError)
    path = path.rename(tmp_path / "a.zip")
    with pytest.raises(ManifestError, match=r"a\.zip: not a readable (zip|tar) file"):
        check_shard(path)
