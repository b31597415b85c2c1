import numpy as np
import pytest
from labelled_sets import python_2, write_cifar, write_parquet

from imagist.datasets.labels import Columns, Source, read
from imagist.errors import DataError
from imagist.images import decode

FINE, COARSE = ("apple", "bear", "cloud"), ("fruit", "other")


def batch(seed, fine, coarse):
    return np.random.default_rng(seed).integers(0, 256, (len(fine), 3072), np.uint8), fine, coarse


@pytest.fixture
def folder(tmp_path):
    train, test = batch(1, [0, 2, 1], [0, 1, 1]), batch(2, [1, 0], [1, 0])
    return write_cifar(tmp_path / "cifar-100-python", train, test, FINE, COARSE)


def test_labels_splits_and_pixels(folder):
    examples = read(Source(folder))
    assert [(e.image, e.split, e.label) for e in examples] == [
        (f"{folder}/train#0", "train", "apple"),
        (f"{folder}/train#1", "train", "cloud"),
        (f"{folder}/train#2", "train", "bear"),
        (f"{folder}/test#0", "test", "bear"),
        (f"{folder}/test#1", "test", "apple"),
    ]
    planes = batch(2, [1, 0], [])[0][1].reshape(3, 32, 32)  # red, green, blue, as the authors say
    assert (decode(examples[4].content).pixels == np.moveaxis(planes, 0, 2)).all()


def test_coarse_labels_one_split_one_file_and_no_content(folder):
    coarse = Source(folder, columns=Columns(label="coarse_label"), split="test")
    assert [e.label for e in read(coarse)] == ["other", "fruit"]
    assert [e.label for e in read(Source(folder / "train"), content=False)] == ["apple", "cloud", "bear"]
    assert {e.content for e in read(Source(folder), content=False)} == {None}


def test_names_of_another_file(folder, tmp_path):
    (folder / "meta").rename(tmp_path / "names of labels")
    with pytest.raises(DataError, match="meta: cannot be read"):
        read(Source(folder, format="cifar100"))
    with pytest.raises(DataError, match="no images in this folder"):
        read(Source(folder, names=tmp_path / "names of labels", format="folder"))
    named = Source(folder, format="cifar100", names=tmp_path / "names of labels")
    assert [e.label for e in read(named)][:2] == ["apple", "cloud"]
    (tmp_path / "names.txt").write_text("a\n\nb\nc\n")
    assert [e.label for e in read(Source(folder / "test", names=tmp_path / "names.txt"))] == ["b", "a"]


def test_files_of_another_layout(folder):
    with pytest.raises(DataError, match=r"no label_names in it \(take fine_label or coarse_label"):
        read(Source(folder, columns=Columns(label="label")))
    with pytest.raises(DataError, match="cifar100 has no columns, and so no 'image', 'text'"):
        read(Source(folder, columns=Columns(image="image", caption="text")))
    (folder / "test").write_bytes(python_2({b"data": np.zeros((2, 3072), np.uint8), b"fine_labels": [0]}))
    with pytest.raises(DataError, match=r"no fine_labels with a row of 3072 bytes for each in data"):
        read(Source(folder))
    (folder / "test").write_bytes(python_2({b"data": np.zeros((1, 3072), np.uint8), b"fine_labels": [[0]]}))
    with pytest.raises(DataError, match="no fine_labels with"):
        read(Source(folder))
    (folder / "test").write_bytes(python_2([1, 2]))
    with pytest.raises(DataError, match="no fine_labels with"):
        read(Source(folder))
    for name in ("train", "test"):
        (folder / name).unlink()
    with pytest.raises(DataError, match="neither train nor test"):
        read(Source(folder, format="cifar100"))


def test_labels_without_a_name(tmp_path):
    folder = write_cifar(tmp_path, batch(0, [0, 3], [0, 0]), batch(1, [-1], [0]), FINE, COARSE)
    with pytest.raises(DataError, match="2 faults") as error:
        read(Source(folder))
    assert "train, row 1: label 3 is not a number from 0 to 2" in str(error.value)
    assert "test, row 0: label -1 is not" in str(error.value)


def test_hugging_face_parquet(tmp_path, folder):
    columns = {
        "img": [{"bytes": b"1", "path": None}, {"bytes": b"2", "path": None}],
        "fine_label": [2, 0],
        "coarse_label": [1, 0],
    }
    names = {"fine_label": FINE, "coarse_label": COARSE}
    path = write_parquet(tmp_path / "train.parquet", columns, names=names)
    found = read(Source(path, split="train"))
    assert [(e.image, e.label, e.content, e.split) for e in found] == [
        (f"{path}#0", "cloud", b"1", "train"),
        (f"{path}#1", "apple", b"2", "train"),
    ]
    coarse = Columns(label="coarse_label")
    assert [e.label for e in read(Source(path, columns=coarse))] == ["other", "fruit"]
    bare = write_parquet(tmp_path / "bare.parquet", columns)
    assert [e.label for e in read(Source(bare))] == ["2", "0"]
    assert [e.label for e in read(Source(bare, names=folder / "meta"))] == ["cloud", "apple"]
    assert [e.label for e in read(Source(bare, columns=coarse, names=folder / "meta"))] == ["other", "fruit"]
