import pytest
from labelled_sets import write_image

from imagist.datasets.labels import Columns, Source, read
from imagist.errors import DataError


def tree(root, *names):
    for seed, name in enumerate(names):
        write_image(root / name, seed)
    return root


def found(root, **options):
    return [(e.image.removeprefix(f"{root}/"), e.label, e.split) for e in read(Source(root, **options))]


def test_class_folders(tmp_path):
    tree(tmp_path, "cat/2.jpg", "cat/1.jpg", "dog/deep/er/3.PNG", ".cache/x/4.jpg", "cat/.thumb/5.jpg")
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    assert found(tmp_path) == [
        ("cat/1.jpg", "cat", None),
        ("cat/2.jpg", "cat", None),
        ("dog/deep/er/3.PNG", "dog", None),
    ]
    assert {e.content for e in read(Source(tmp_path))} == {None}


def test_split_folders_in_whatever_order(tmp_path, monkeypatch):
    tree(tmp_path / "set", "val/cat/1.jpg", "train/cat/1.jpg", "train/dog/2.jpg")
    expected = [
        ("train/cat/1.jpg", "cat", "train"),
        ("train/dog/2.jpg", "dog", "train"),
        ("val/cat/1.jpg", "cat", "val"),
    ]
    assert found(tmp_path / "set") == expected
    assert found(tmp_path / "set", split="val") == expected[2:]
    monkeypatch.chdir(tmp_path)
    assert found("set") == expected
    assert [e.image for e in read(Source("./set/"))][:1] == ["set/train/cat/1.jpg"]


def test_a_class_of_trains(tmp_path):
    tree(tmp_path, "train/1.jpg", "plane/2.jpg")
    assert [label for _, label, _ in found(tmp_path)] == ["plane", "train"]


def test_folders_that_are_neither(tmp_path):
    tree(tmp_path, "0.jpg", "train/cat/1.jpg", "val/cat/2.jpg", "extra/3.jpg", "more/cat/4.jpg")
    with pytest.raises(DataError, match="3 faults") as error:
        read(Source(tmp_path))
    assert "image outside class folders: " + f"{tmp_path}: 0.jpg" in str(error.value)
    assert "more/cat/4.jpg, next to train, val" in str(error.value)
    assert "extra/3.jpg, next to train, val" in str(error.value)


def test_nothing_in_it(tmp_path):
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataError, match="no images in this folder"):
        read(Source(tmp_path))


def test_what_a_folder_has_not(tmp_path):
    tree(tmp_path, "cat/1.jpg")
    with pytest.raises(DataError, match="of format folder, which has no column 'class'"):
        read(Source(tmp_path, columns=Columns(label="class")))
    with pytest.raises(DataError, match="no annotations with categories"):
        read(Source(tmp_path, format="coco"))
    with pytest.raises(DataError, match="a file, not a folder of class folders"):
        read(Source(tmp_path / "cat" / "1.jpg", format="folder"))


def test_a_split_without_a_class_of_another_is_no_fault_here(tmp_path):
    tree(tmp_path, "train/cat/1.jpg", "test/dog/2.jpg")
    assert len(read(Source(tmp_path))) == 2
