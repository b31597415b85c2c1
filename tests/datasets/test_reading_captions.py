from pathlib import Path

import pytest
from captioned_sets import write_csv, write_parquet

from imagist.datasets.captions import Record, Source, read, read_all
from imagist.errors import DataError


def table(path, *rows, header=("image", "caption")):
    return write_csv(path, header, rows)


def test_images_are_found_beside_the_file_and_in_the_folder_given(folder, monkeypatch):
    path = table(folder / "c.csv", ("a.jpg", "x"), ("./b.jpg", "y"), (str(folder / "c.jpg"), "z"))
    expected = [f"{folder}/a.jpg", f"{folder}/./b.jpg", f"{folder}/c.jpg"]
    assert [r.image for r in read(path)] == expected
    (folder / "elsewhere").mkdir()
    moved = path.rename(folder / "elsewhere" / "c.csv")
    assert [r.image for r in read(moved, images=folder)] == expected
    assert [r.image for r in read(moved, check_images=False)] == ["a.jpg", "./b.jpg", f"{folder}/c.jpg"]
    monkeypatch.chdir(folder)
    assert [r.image for r in read(Path("elsewhere/c.csv"))] == ["a.jpg", "./b.jpg", f"{folder}/c.jpg"]


def test_all_missing_images_are_named(folder):
    (folder / "empty.jpg").touch()
    (folder / "folder.jpg").mkdir()
    names = ["a.jpg", "x.jpg", "empty.jpg", "folder.jpg", "https://example.org/y.jpg"]
    path = table(folder / "c.csv", *((name, "x") for name in names))
    with pytest.raises(DataError, match="3 faults") as error:
        read(path, images=folder)
    text = str(error.value)
    assert f"missing image: {folder}/x.jpg: no such file" in text
    assert f"{folder}/empty.jpg: an empty file" in text
    assert f"{folder}/folder.jpg: not a file" in text
    assert error.value.item == str(path)
    assert [r.image for r in read(path, images="", check_images=False)] == names


def test_images_that_the_file_holds_keep_their_names(folder):
    path = write_parquet(folder / "p.parquet", {"image": [{"bytes": b"x", "path": "a.jpg"}], "caption": ["x"]})
    assert [r.image for r in read(path)] == ["a.jpg"]
    assert [r.image for r in read(path, images=folder, content=False)] == ["a.jpg"]


def test_rows_and_images_at_fault_come_in_one_error(folder):
    path = table(folder / "c.csv", ("x.jpg", "x"), ("", "y"))
    with pytest.raises(DataError, match=r"2 faults \(unreadable row: 1, missing image: 1\)"):
        read(path)


def test_a_split_of_a_file_that_names_none_is_its_label(tmp_path):
    path = table(tmp_path / "c.csv", ("a", "x"))
    assert read(path, split="dev", check_images=False)[0].split == "dev"
    assert read(path, check_images=False)[0].split is None


def test_a_row_without_a_split_among_others_is_a_fault(tmp_path):
    path = table(tmp_path / "c.csv", ("a", "x", "dev"), ("b", "y", ""), header=("image", "caption", "split"))
    assert [r.split for r in read(path, check_images=False)] == ["dev", None]
    with pytest.raises(DataError, match=r"image without a split: line 3: b"):
        read(path, split="dev", check_images=False)


def test_a_list_of_names(tmp_path):
    path = table(tmp_path / "c.csv", ("a.jpg", "1"), ("f/b.jpg", "2"), ("f/c.jpg", "3"), ("d.jpg", "4"), ("a.jpg", "5"))
    only = tmp_path / "Flickr_8k.trainImages.txt"
    only.write_bytes(b"\xef\xbb\xbfa.jpg\r\nb.jpg\r\n\r\nc\r\n")
    records = read(path, only=only, check_images=False)
    assert [(r.image, r.captions) for r in records] == [("a.jpg", ("1", "5")), ("f/b.jpg", ("2",)), ("f/c.jpg", ("3",))]
    only.write_text("a.jpg\ny.jpg\nz.jpg\n")
    with pytest.raises(DataError, match="listed image without an entry: 2") as error:
        read(path, only=only, check_images=False)
    assert f"y.jpg, of {only}" in str(error.value)
    with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
        read(path, only=tmp_path / "none.txt", check_images=False)


def test_translations_of_joined_rows(tmp_path):
    rows = [("a", "1", "eins"), ("a", "2", ""), ("a", "3", "drei"), ("b", "4", "")]
    path = table(tmp_path / "c.csv", *rows, header=("image", "caption", "de"))
    assert [r.translations for r in read(path, check_images=False, languages=["de"])] == [{"de": ("eins", "drei")}, {}]


def test_lists_are_not_joined_so_that_check_sees_them(tmp_path):
    path = table(tmp_path / "c.csv", ("a", '["x"]'), ("a", '["y"]'), header=("image", "captions"))
    assert [r.captions for r in read(path, check_images=False)] == [("x",), ("y",)]


def test_one_name_with_two_contents_is_not_joined(tmp_path):
    images = [{"bytes": content, "path": "a.jpg"} for content in (b"1", b"2", b"1")]
    path = write_parquet(tmp_path / "a.parquet", {"image": images, "caption": ["x", "y", "z"]})
    assert [(r.content, r.captions) for r in read(path)] == [(b"1", ("x", "z")), (b"2", ("y",))]


def test_the_repr_of_a_record_shows_no_bytes():
    assert "xyz" not in repr(Record("a", ("b",), content=b"xyz"))
    assert hash(Record("a", ("b",), translations={"de": ("c",)})) == hash(Record("a", ("b",)))


def test_several_files_of_several_splits(folder):
    one = table(folder / "1.csv", ("a.jpg", "x"), ("b.jpg", "y"))
    two = table(folder / "2.csv", ("c.jpg", "z", "val"), ("d.jpg", "z", "test"), header=("image", "caption", "split"))
    records = read_all({"train": [Source(one)], "dev": [Source(two, split="val"), Source(two, split="test")]})
    assert {split: [(Path(r.image).name, r.split) for r in found] for split, found in records.items()} == {
        "train": [("a.jpg", "train"), ("b.jpg", "train")],
        "dev": [("c.jpg", "dev"), ("d.jpg", "dev")],
    }


def test_faults_of_all_files_and_of_all_together_come_in_one_error(folder):
    one = table(folder / "1.csv", ("a.jpg", "x"), ("x.jpg", "y"), ("", "z"))
    two = table(folder / "2.csv", ("a.jpg", "x"), ("b.jpg", " "))
    with pytest.raises(DataError) as error:
        read_all({"train": [Source(one), Source(folder / "none.csv")], "dev": [Source(two)]})
    text = str(error.value)
    assert text.startswith("5 faults (")
    assert f"unreadable row: {one}: line 4: column 'image' is empty" in text
    assert f"unreadable file: {folder}/none.csv: no such file" in text
    assert "missing image: train: x.jpg: no such file" in text
    assert f"empty caption: dev: {folder}/b.jpg: caption 1 of 1" in text
    assert f"image in two splits: {folder}/a.jpg, in train and dev" in text


@pytest.mark.data
def test_flickr8k_has_no_faults(data):
    shards = [Source(data / "flickr8k" / f"train-{i}.parquet", split="train") for i in (0, 1)]
    languages = ("de", "fr", "cs")
    records = read_all({"train": shards, "dev": [Source(data / "flickr8k" / "dev.parquet")]}, languages=languages)
    translated = [r for of_split in records.values() for r in of_split if r.translations]
    assert {split: len(found) for split, found in records.items()} == {"train": 6000, "dev": 1000}
    assert len(translated) == 6462
    assert all(set(r.translations) == set(languages) for r in translated)
