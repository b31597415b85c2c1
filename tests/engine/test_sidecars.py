"""Captions as files beside their images: what is written, what is left alone."""

from __future__ import annotations

import pytest
from PIL import Image

from imagist.engine.sidecars import Sidecars
from imagist.errors import OutputError, UsageError
from imagist.records import Row


@pytest.fixture
def image(tmp_path):
    """Makes an image: ``image("cat.jpg")``; returns its row."""

    def made(name):
        Image.new("RGB", (4, 4)).save(tmp_path / name, "PNG")
        return Row(str(tmp_path / name))

    return made


def read(row, suffix=".txt"):
    return row.source.rpartition(".")[0] + suffix


def test_a_file_beside_the_image_takes_its_name(image, tmp_path):
    sidecars = Sidecars(".txt")
    sidecars.write(image("my.cat.jpg"), "a cät")
    assert (tmp_path / "my.cat.txt").read_bytes() == "a cät\n".encode()
    assert {path.name for path in tmp_path.iterdir()} == {"my.cat.jpg", "my.cat.txt"}
    assert (sidecars.written, sidecars.refused) == (1, {})


@pytest.mark.parametrize(
    ("existing", "content"),
    [("skip", b"old"), ("overwrite", b"new\n"), ("append", b"old\nnew\n")],
)
def test_a_file_that_is_there_already(image, tmp_path, existing, content):
    (tmp_path / "cat.txt").write_bytes(b"old")
    sidecars = Sidecars(".txt", existing)
    rows = [*sidecars.missing([image("cat.png"), image("dog.png")])]
    assert len(rows) == (1 if existing == "skip" else 2)
    for row in rows:
        sidecars.write(row, "new")
    assert (tmp_path / "cat.txt").read_bytes() == content
    assert (tmp_path / "dog.txt").read_bytes() == b"new\n"
    assert sidecars.skipped == (existing == "skip")


def test_lines_are_appended_to_any_bytes(image, tmp_path):
    (tmp_path / "cat.txt").write_bytes(b"\xff\xfe\n")
    Sidecars(".txt", "append").write(image("cat.png"), "new")
    assert (tmp_path / "cat.txt").read_bytes() == b"\xff\xfe\nnew\n"


@pytest.mark.parametrize("existing", ["skip", "overwrite", "append"])
def test_an_image_is_never_written_over(image, tmp_path, existing):
    """Images under other suffixes are images, too, also the captioned one itself, and behind a link."""
    (tmp_path / "linked.txt").symlink_to(tmp_path / "other.txt")
    rows = [image("other.txt"), image("other.png"), image("linked.png")]
    before = (tmp_path / "other.txt").read_bytes()
    sidecars = Sidecars(".txt", existing)
    for row in sidecars.missing(rows):
        sidecars.write(row, "new")
    assert (tmp_path / "other.txt").read_bytes() == before
    assert (tmp_path / "linked.txt").is_symlink()
    assert sum(sidecars.refused.values()) == 3
    assert sidecars.written == 0


@pytest.mark.parametrize("suffix", [".jpg", ".PNG", "txt", "", ".", "./x", ".t/x"])
def test_such_suffixes_are_refused(suffix):
    with pytest.raises(UsageError, match="suffix"):
        Sidecars(suffix)


def test_of_two_images_of_a_name_the_first_has_the_file(image, tmp_path):
    sidecars = Sidecars(".txt", "overwrite")
    sidecars.write(image("cat.png"), "first")
    sidecars.write(image("cat.jpg"), "second")
    assert (tmp_path / "cat.txt").read_text("utf-8") == "first\n"
    assert [*sidecars.refused.values()] == [1]


def test_inputs_and_folders_are_left_alone(image, tmp_path):
    (tmp_path / "list.txt").write_text("list.png\n", "utf-8")
    (tmp_path / "folder.txt").mkdir()
    sidecars = Sidecars(".txt", "overwrite", [str(tmp_path / "list.txt")])
    sidecars.write(image("list.png"), "new")
    sidecars.write(image("folder.png"), "new")
    assert (tmp_path / "list.txt").read_text("utf-8") == "list.png\n"
    assert [*sidecars.refused.values()] == [2]


def test_images_that_are_no_files_get_none(tmp_path):
    sidecars = Sidecars(".txt")
    for row in (Row("https://example.org/a.jpg"), Row("x.tar#a.jpg", b"content"), Row("data:image/png;base64,xx")):
        assert [*sidecars.missing([row])] == [row]
        sidecars.write(row, "new")
    assert [*sidecars.refused.values()] == [3]
    assert "3 without a file" in sidecars.lines()[-1]


def test_a_folder_that_cannot_be_written_to_is_an_error(image, tmp_path, monkeypatch):
    row = image("cat.png")
    monkeypatch.setattr("pathlib.Path.write_bytes", lambda *_: (_ for _ in ()).throw(PermissionError(13, "no")))
    with pytest.raises(OutputError):
        Sidecars(".txt").write(row, "new")
