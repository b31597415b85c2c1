"""What files hold decides, each is read once, and only names of what is no file count as such."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from imagist.errors import DataError
from imagist.study.contents import Contents


def test_a_file_is_its_sha256_wherever_it_lies(tmp_path):
    (tmp_path / "a").write_bytes(b"weights")
    (tmp_path / "b").write_bytes(b"weights")
    assert Contents().of(tmp_path / "a") == Contents().of(str(tmp_path / "b")) == hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "a").write_bytes(b"Weights")
    assert Contents().of(tmp_path / "a") != Contents().of(tmp_path / "b")


def model(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return Contents().of(folder)


def test_a_folder_is_its_files_and_their_names(tmp_path):
    whole = {"config": "c", "part__weights": "w"}
    found = [
        model(tmp_path / "one", **whole),
        model(tmp_path / "other", **dict(reversed(whole.items()))),
        model(tmp_path / "content", config="c", part__weights="W"),
        model(tmp_path / "name", config="c", weights="w"),
        model(tmp_path / "swapped", config="w", part__weights="c"),
        model(tmp_path / "more", **whole, more=""),
    ]
    assert found[0] == found[1]
    assert len(set(found)) == 5


def test_a_file_is_read_once_in_a_run(tmp_path, monkeypatch):
    paths = [tmp_path / "model" / name for name in ("a", "b")]
    paths[0].parent.mkdir()
    for path in paths:
        path.write_text(path.name)
    opened, whole = [], Path.open
    monkeypatch.setattr(Path, "open", lambda self, *given: opened.append(self) or whole(self, *given))
    contents = Contents()
    assert contents.of(paths[0].parent) == contents.of(paths[0].parent)
    contents.of(paths[1])
    assert sorted(opened) == paths


def test_what_is_no_file_goes_by_its_name():
    assert Contents().of("google-bert/bert-base-uncased") == "google-bert/bert-base-uncased"


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "w.safetensors").touch()

    def shut(self, *given):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", shut)
    with pytest.raises(DataError, match=r"w\.safetensors: cannot be read: Permission denied"):
        Contents().of(tmp_path / "w.safetensors")
