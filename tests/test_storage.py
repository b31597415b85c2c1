from __future__ import annotations

import os

import pytest

from imagist.errors import OutputError
from imagist.storage import check_folder, replacing


def test_a_block_that_ends_well_replaces_the_file(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("before")
    with replacing(path) as scratch:
        scratch.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("fault", [ValueError("x"), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_the_file_and_no_litter(tmp_path, fault):
    path = tmp_path / "x.txt"
    path.write_text("before")

    def fail():
        with replacing(path) as scratch:
            scratch.write_text("half")
            raise fault

    with pytest.raises(type(fault)):
        fail()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_the_output_at_fault(tmp_path):
    with (
        pytest.raises(OutputError, match=r"x\.txt: cannot be written: No space left") as caught,
        replacing(tmp_path / "x.txt"),
    ):
        raise OSError(28, "No space left on device")
    assert isinstance(caught.value.__cause__, OSError)


def test_new_files_get_the_permissions_of_the_user(tmp_path):
    (tmp_path / "plain").write_text("")
    with replacing(tmp_path / "x.txt") as scratch:
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
