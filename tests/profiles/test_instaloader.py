from __future__ import annotations

import json
import lzma

import pytest

from imagist.profiles.instaloader import MOST_METADATA, count_videos, is_profile_picture, sidecar_cells

STEM = "2026-05-04_10-11-12_UTC"
NODE = {
    "edge_media_to_caption": {"edges": [{"node": {"text": "from the metadata"}}]},
    "edge_media_preview_like": {"count": 42},
    "taken_at_timestamp": 1777889472,
}


@pytest.fixture
def account(tmp_path):
    folder = tmp_path / "ann"
    folder.mkdir()
    return folder


def beside(folder, name, content):
    path = folder / name
    if name.endswith(".xz"):
        path.write_bytes(lzma.compress(json.dumps(content).encode()))
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.mark.parametrize("suffix", [".json", ".json.xz"])
def test_metadata_of_instaloader(account, suffix):
    beside(account, STEM + suffix, {"node": NODE, "instaloader": {"node_type": "Post"}})
    expected = {"text": "from the metadata", "date": 1777889472, "likes": 42}
    assert sidecar_cells(str(account / f"{STEM}.jpg")) == expected
    assert sidecar_cells(str(account / f"{STEM}_2.jpg")) == expected


def test_the_text_file_goes_before_the_metadata(account):
    beside(account, f"{STEM}.json", {"node": NODE})
    beside(account, f"{STEM}.txt", " the author's own text\n")
    assert sidecar_cells(str(account / f"{STEM}_10.webp"))["text"] == "the author's own text"


def test_a_flat_object_of_another_program(account):
    beside(account, "a.json", {"caption": "hi", "likes": 3, "date": "2026-05-04"})
    assert sidecar_cells(str(account / "a.jpg")) == {"text": "hi", "likes": 3, "date": "2026-05-04"}
    beside(account, "b.json", {"caption": {"text": "hi"}, "like_count": True})
    assert sidecar_cells(str(account / "b.jpg")) == {"text": "hi"}


def test_texts_in_another_encoding_are_left_out_with_a_notice(account, caplog):
    for name in "ab":
        (account / f"{name}.txt").write_bytes("caf\u00e9".encode("cp1252"))
        assert sidecar_cells(str(account / f"{name}.jpg")) == {}
    (account / "c.txt").write_bytes("caf\u00e9".encode("utf-16"))
    assert sidecar_cells(str(account / "c.jpg")) == {"text": "caf\u00e9"}
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{account / 'a.txt'}: the author's text is left out: line 1 has a byte 0xe9 that is not UTF-8 "
        "(save the texts of this folder as UTF-8)"
    )


@pytest.mark.parametrize(
    "content", ["", "[1]", "{", "null", '{"node": {"edge_media_to_caption": {"edges": []}}}', "[" * 9999]
)
def test_damaged_metadata_says_nothing(account, content):
    beside(account, "c.json", content)
    (account / "c.json.xz").write_bytes(b"no archive")
    assert sidecar_cells(str(account / "c.jpg")) == {}


def test_metadata_that_unpacks_to_too_much_is_not_read(account):
    (account / "d.json.xz").write_bytes(lzma.compress(b" " * (MOST_METADATA + 1) + b"{}"))
    assert sidecar_cells(str(account / "d.jpg")) == {}
    assert sidecar_cells("https://host/a.jpg") == sidecar_cells(str(account / "nothing.jpg")) == {}


def test_videos_are_counted_and_profile_pictures_known(account, tmp_path):
    for name in (f"{STEM}.mp4", "b.MOV", ".hidden.mp4", "c.jpg"):
        (account / name).write_bytes(b"")
    assert count_videos([str(tmp_path)]) == count_videos([str(account)]) == {"ann": 2}
    assert count_videos([str(account / "c.jpg"), "https://host"]) == {}
    assert is_profile_picture(f"ann/{STEM}_profile_pic.jpg")
    assert not is_profile_picture(f"ann/{STEM}_1.jpg")
