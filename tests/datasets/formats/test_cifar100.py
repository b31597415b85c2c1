import numpy as np
import pytest
from labelled_sets import write_cifar, write_parquet

from imagist.datasets.labels import Columns, Source, read
from imagist.errors import DataError
from imagist.images import decode

FINE, COARSE = ("apple", "bear", "cloud"), ("fruit", "other")


def batch(seed, fine, coarse):
    return np.random.default_rng(seed).integers(0, 256, (len(fine), 3072), np.uint8), fine, coarse


@pytest.fixture
def folder(tmp_path):
    train, test = batch(1, [0, 2, 1], [0, 1, 1]), batch(2, [1, 0], [1, 0])
    return write_cifar(tmp_path / "cifar-100-binary", train, test, FINE, COARSE)


def test_labels_splits_and_pixels(folder):
    examples = read(Source(folder))
    assert [(e.image, e.split, e.label) for e in examples] == [
        (f"{folder}/train.bin#0", "train", "apple"),
        (f"{folder}/train.bin#1", "train", "cloud"),
        (f"{folder}/train.bin#2", "train", "bear"),
        (f"{folder}/test.bin#0", "test", "bear"),
        (f"{folder}/test.bin#1", "test", "apple"),
    ]
    planes = batch(2, [1, 0], [])[0][1].reshape(3, 32, 32)  # red, green, blue, as the authors say
    assert (decode(examples[4].content).pixels == np.moveaxis(planes, 0, 2)).all()


def test_coarse_labels_one_split_one_file_and_no_content(folder):
    coarse = Source(folder, columns=Columns(label="coarse_label"), split="test")
    assert [e.label for e in read(coarse)] == ["other", "fruit"]
    assert [e.label for e in read(Source(folder / "train.bin"), content=False)] == ["apple", "cloud", "bear"]
    assert {e.content for e in read(Source(folder), content=False)} == {None}


def test_names_of_another_file(folder, tmp_path):
    (folder / "fine_label_names.txt").rename(tmp_path / "names.txt")
    with pytest.raises(DataError, match=r"fine_label_names\.txt: cannot be read"):
        read(Source(folder))
    (folder / "coarse_label_names.txt").unlink()
    with pytest.raises(DataError, match="no images in this folder"):
        read(Source(folder, names=tmp_path / "names.txt"))
    named = Source(folder, format="cifar100", names=tmp_path / "names.txt")
    assert [e.label for e in read(named)][:2] == ["apple", "cloud"]
    assert [e.label for e in read(Source(folder / "test.bin", names=tmp_path / "names.txt"))] == ["bear", "apple"]


def test_files_of_another_layout(folder):
    with pytest.raises(DataError, match="no column 'label'; it has coarse_label, fine_label"):
        read(Source(folder, columns=Columns(label="label")))
    with pytest.raises(DataError, match="format cifar100, which has no column 'image', 'text'"):
        read(Source(folder, columns=Columns(image="image", caption="text")))
    for content in (b"", bytes(3074 + 3073)):
        (folder / "test.bin").write_bytes(content)
        with pytest.raises(DataError, match=r"test\.bin: [\d,]+ bytes are not rows of 3,074"):
            read(Source(folder))
    for name in ("train", "test"):
        (folder / f"{name}.bin").unlink()
    with pytest.raises(DataError, match=r"neither train\.bin nor test\.bin"):
        read(Source(folder))


def test_the_pickled_release_is_refused(tmp_path):
    for name in ("train", "meta"):
        (tmp_path / name).write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(DataError, match=r"is pickled.*take the CIFAR-100 binary version"):
        read(Source(tmp_path))


def test_labels_without_a_name(tmp_path):
    folder = write_cifar(tmp_path, batch(0, [0, 3], [0, 0]), batch(1, [255], [0]), FINE, COARSE)
    with pytest.raises(DataError, match="2 faults") as error:
        read(Source(folder))
    assert "train.bin, row 1: label 3 is not a number from 0 to 2" in str(error.value)
    assert "test.bin, row 0: label 255 is not" in str(error.value)


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
    assert [e.label for e in read(Source(bare, names=folder / "fine_label_names.txt"))] == ["cloud", "apple"]
    coarse_names = folder / "coarse_label_names.txt"
    assert [e.label for e in read(Source(bare, columns=coarse, names=coarse_names))] == ["other", "fruit"]
