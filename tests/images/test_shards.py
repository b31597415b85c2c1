import io
import json
import tarfile

import pytest

from imagist.errors import ImageTooLarge, ManifestError
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
    assert not any(is_shard(tmp_path / name) for name in ("a.zip", "tar", "a.gz"))


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tgz", "w:gz"), (".tar", "w:gz")])
def test_images_and_what_is_told_of_them(tmp_path, suffix, mode):
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
        ("x.cls", b"cat", {"cls": "cat"}),
        ("x.txt", b"\xff!", {"txt": "\ufffd!"}),
        ("x.txt", b"a" * (1 << 21), {}),
    ],
)
def test_odd_sidecars(tmp_path, name, content, columns):
    (row,) = shard_rows(shard(tmp_path / "a.tar", [("x.jpg", b"1"), (name, content)]))
    assert row.columns == columns


def test_members_over_the_limit_are_not_read(tmp_path):
    path = shard(tmp_path / "a.tar", [("a.jpg", bytes(1000)), ("b.jpg", b"2")])
    first, second = shard_rows(path, DecodeLimits(max_bytes=999))
    assert isinstance(first.error, ImageTooLarge)
    assert first.error.item == first.source == f"{path}#a.jpg"
    assert second.content == b"2"


def test_links_and_folders_are_no_images(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("d.jpg", tarfile.DIRTYPE), ("l.jpg", tarfile.SYMTYPE), ("f.jpg", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/hostname"
            tar.addfile(info)
    assert list(shard_rows(path)) == []


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
