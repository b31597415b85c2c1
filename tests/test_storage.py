from __future__ import annotations

import os

import numpy as np
import pytest

from imagist.errors import OutputError
from imagist.metrics.significance import Interval
from imagist.storage import atomic_folder, atomic_write, check_folder, digest_of, sha256_of, write_json, write_text


def test_a_block_that_ends_well_replaces_the_file(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("before")
    with atomic_write(path) as scratch:
        scratch.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fault", [ValueError("x"), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_the_file_and_no_litter(tmp_path, fault):
    path = tmp_path / "x.txt"
    path.write_text("before")

    def fail():
        with atomic_write(path) as scratch:
            scratch.write_text("half")
            raise fault

    with pytest.raises(type(fault)):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_the_output_at_fault(tmp_path):
    with (
        pytest.raises(OutputError, match=r"x\.txt: cannot be written: No space left") as caught,
        atomic_write(tmp_path / "x.txt"),
    ):
        raise OSError(28, "No space left on device")
    assert isinstance(caught.value.__cause__, OSError)


def test_new_files_get_the_permissions_of_the_user(tmp_path):
    (tmp_path / "plain").write_text("")
    with atomic_write(tmp_path / "x.txt") as scratch:
        scratch.write_text("")
    assert (tmp_path / "x.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_check_folder_accepts_new_and_old_files(tmp_path):
    check_folder(tmp_path / "x.txt")
    (tmp_path / "x.txt").write_text("")
    check_folder(tmp_path / "x.txt")


def test_check_folder_wants_a_folder_and_a_file(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        check_folder(tmp_path / "no" / "x.txt")
    with pytest.raises(OutputError, match="is a folder"):
        check_folder(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_check_folder_wants_to_write(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="may not be written"):
        check_folder(tmp_path / "x.txt")


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").write_text("")
    with atomic_folder(folder) as scratch:
        (scratch / "new").write_text("")
        assert [file.name for file in folder.iterdir()] == ["old"]
    assert [file.name for file in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_is_kept_when_its_successor_fails(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").write_text("")

    def fail():
        with atomic_folder(folder) as scratch:
            (scratch / "new").write_text("")
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    assert [file.name for file in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_cannot_be_made_is_the_output_at_fault(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"), atomic_folder(tmp_path / "file" / "model"):
        pass


def test_text_and_json_are_utf_8(tmp_path):
    write_text(tmp_path / "x.txt", "a ü")
    write_json(tmp_path / "x.json", {"a": "ü"})
    assert (tmp_path / "x.txt").read_bytes() == "a ü".encode()
    assert (tmp_path / "x.json").read_text("utf-8") == '{\n "a": "ü"\n}\n'


def test_the_digest_of_a_file(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(5000), np.r_[np.zeros(2500), 1, np.zeros(2499)]),  # numpy's repr leaves the middle out
        (np.zeros(4, np.float32), np.zeros(4, np.int32)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array(["ab", "c"]), np.array(["a", "bc"])),
        (np.zeros(1), 0.0),
        (1, True),
        ("1", 1),
        (None, "None"),
        (["a", ["b"]], [["a"], "b"]),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        (Interval(0.5, 0.25, 0.75), Interval(0.5, 0.25, 0.75, 0.9)),
        ([Interval(0.5, 0.25, 0.75)], [(0.5, 0.25, 0.75, 0.95)]),
    ],
)
def test_what_differs_has_another_digest(one, other):
    assert digest_of(one) == digest_of(one)
    assert digest_of(one) != digest_of(other)


def test_equal_parts_have_equal_digests():
    strided = np.arange(12).reshape(3, 4)[:, ::2]
    assert digest_of(strided) == digest_of(strided.copy())
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    assert digest_of((1, 2)) == digest_of([1, 2])
    assert digest_of(np.float64(0.1), np.int64(3)) == digest_of(0.1, 3)
