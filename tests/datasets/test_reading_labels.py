from pathlib import Path

import pytest
from labelled_sets import encoded, write_csv, write_image, write_instances, write_json_lines, write_parquet

from imagist import settings
from imagist.datasets.labels import Columns, Example, Source, read, read_all
from imagist.datasets.opening import format_of
from imagist.datasets.source import SourceFile
from imagist.errors import DataError, UnknownName


def table(path, *rows, header=("image", "label")):
    return write_csv(path, header, *rows)


def test_official_files_of_three_splits(tmp_path):
    for seed, name in enumerate("abcd"):
        write_image(tmp_path / "images" / f"{name}.jpg", seed)
    files = {"train": "ab", "dev": "c", "test": "d"}
    sources = [
        Source(
            table(tmp_path / f"task_{split}.csv", *((f"{n}.jpg", "x") for n in names)),
            "auto",
            split,
            tmp_path / "images",
        )
        for split, names in files.items()
    ]
    examples = read_all(sources)
    assert [(Path(e.image).name, e.split) for e in examples] == [
        ("a.jpg", "train"), ("b.jpg", "train"), ("c.jpg", "dev"), ("d.jpg", "test"),
    ]  # fmt: skip


def test_all_faults_of_all_sources_come_in_one_error(tmp_path):
    write_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.jpg", 1)
    one = table(tmp_path / "1.csv", ("a.jpg", "x"), ("gone.jpg", "x"), ("", "x"), ("b.jpg", " "))
    two = table(tmp_path / "2.csv", ("a.jpg", "x"), ("b.jpg", "x"), ("b.jpg", "y"))
    three = table(tmp_path / "3.csv", ("a.jpg", "x"), header=("what", "label"))
    sources = [Source(one, split="train"), Source(two, split="dev"), Source(three), Source(tmp_path / "none.csv")]
    with pytest.raises(DataError) as error:
        read_all(sources)
    text = str(error.value)
    assert text.startswith("8 faults (")
    for told in (
        "missing image: train: gone.jpg: no such file",
        f"unreadable row: {one}: line 4: column 'image' is empty",
        f"empty label: train: {tmp_path}/b.jpg",
        f"image in two splits: {tmp_path}/a.jpg, in train and dev",
        f"image in two splits: {tmp_path}/b.jpg, in train and dev",
        f"image twice in a split: dev: {tmp_path}/b.jpg, 2 times",
        f"unreadable source: {three}: no column of images",
        f"unreadable source: {tmp_path}/none.csv: no such file",
    ):
        assert told in text
    assert "columns where they have other names" in text


def test_a_list_of_names(tmp_path):
    path = table(tmp_path / "a.csv", ("a.jpg", "x"), ("b.jpg", "y"))
    (tmp_path / "only.txt").write_text("b\n")
    assert [e.image for e in read(Source(path, only=tmp_path / "only.txt"), check_images=False)] == ["b.jpg"]


def test_splits_of_one_source(tmp_path):
    rows = (("a", "x", "train"), ("b", "x", "dev"), ("c", "y", "test"))
    path = table(tmp_path / "a.csv", *rows, header=("image", "label", "split"))
    assert [e.split for e in read(Source(path), check_images=False)] == ["train", "dev", "test"]
    both = read(Source(path, split="train+dev"), check_images=False)
    assert both == [Example("a", "x", split="train"), Example("b", "x", split="dev")]
    with pytest.raises(DataError, match=r"no split 'val' \(one of dev, test, train\)"):
        read(Source(path, split="val"), check_images=False)


def test_held_images_of_one_name_are_distinguished(tmp_path):
    """Hugging Face's files drop folders from paths, so that cat/0.jpg and dog/0.jpg meet as 0.jpg."""
    images = [{"bytes": encoded(i), "path": name} for i, name in enumerate(("0.jpg", "0.jpg", "1.jpg"))]
    train = write_parquet(tmp_path / "train.parquet", {"image": images, "label": ["cat", "dog", "cat"]})
    test = write_parquet(tmp_path / "test.parquet", {"image": images[2:], "label": ["dog"]})
    sources = [Source(train, split="train"), Source(test, split="test")]
    expected = [f"{train}#0", f"{train}#1", f"{train}#2", f"{test}#0"]
    assert [e.image for e in read_all(sources)] == expected
    assert [e.image for e in read_all(sources, content=False)] == expected
    assert [e.image for e in read(sources[0])] == [f"{train}#0", f"{train}#1", "1.jpg"]


def test_equal_bytes_in_two_splits_are_left_to_leaks(tmp_path):
    for split in ("train", "test"):
        write_image(tmp_path / split / "cat" / f"{split}.jpg", 3)
    assert len(read(Source(tmp_path))) == 2


def test_checks_of_files_on_disk_hold_without_content_too(tmp_path):
    path = table(tmp_path / "a.csv", ("gone.jpg", "x"))
    with pytest.raises(DataError, match="missing image"):
        read(Source(path), content=False)
    assert read(Source(path), check_images=False) == [Example("gone.jpg", "x")]
    held = write_parquet(tmp_path / "a.parquet", {"image": [{"bytes": b"x", "path": "gone.jpg"}], "label": ["x"]})
    assert read(Source(held), content=False) == [Example("gone.jpg", "x")]


def test_formats_are_known_by_their_content(tmp_path):
    made = {
        "csv": table(tmp_path / "a", ("x", "y")),
        "parquet": write_parquet(tmp_path / "b", {"image": [b"x"], "label": ["y"]}),
        "json": write_json_lines(tmp_path / "c", {"image": "x", "label": "y"}, {"image": "z", "label": "y"}),
        "coco": write_instances(tmp_path / "d", {1: "x"}, [(1, 1, 1)], {1: "y"}),
        "folder": write_image(tmp_path / "e" / "y" / "x.jpg").parent.parent,
    }
    for name, path in made.items():
        name = name if name in ("coco", "folder") else "table"
        assert format_of(SourceFile(Source(path))) == name
        examples = read(Source(path), check_images=False)
        assert {e.label for e in examples} == {"y"}
        assert read(Source(path, format=name), check_images=False) == examples
    (tmp_path / "f.json").write_text('\ufeff[{"image": "x", "label": "y"}]', "utf-8")
    assert read(Source(tmp_path / "f.json"), check_images=False) == [Example("x", "y")]
    (tmp_path / "f.json").write_text("[1")
    with pytest.raises(DataError, match="not JSON"):
        read(Source(tmp_path / "f.json"))
    with pytest.raises(UnknownName, match=r"no dataset of that name .*cifar100, coco, folder"):
        read(Source(tmp_path / "f.json", format="arff"))


def test_nothing_to_read(tmp_path):
    (tmp_path / "empty.csv").write_text(" \n")
    for path, told in ((tmp_path / "empty.csv", "the file is empty"), ("a\0b", "cannot be read")):
        with pytest.raises(DataError, match=told):
            read(Source(path))
    with pytest.raises(DataError, match="no labelled image in it"):
        read(Source(table(tmp_path / "b.csv")))


def test_a_source_of_a_config(tmp_path):
    (tmp_path / "study.toml").write_text(
        'path = "task.tsv"\nsplit = "train"\nimages = "data"\n'
        'columns = { label = "label_image", account = "event_name" }\n'
    )
    source = settings.read(tmp_path / "study.toml", Source)
    assert source == Source(
        "task.tsv", split="train", images="data", columns=Columns(label="label_image", account="event_name")
    )
    (tmp_path / "study.toml").write_text('path = "x"\ncolumns = { labels = "y" }\n')
    with pytest.raises(settings.UsageError, match="did you mean 'label'"):
        settings.read(tmp_path / "study.toml", Source)


def test_the_repr_of_an_example_shows_no_bytes():
    assert "xyz" not in repr(Example("a", "b", content=b"xyz"))


@pytest.mark.data
def test_photos15(data):
    examples = read(Source(data / "photos15.parquet"))
    assert {split: sum(e.split == split for e in examples) for split in ("train", "dev")} == {"train": 2885, "dev": 722}
    assert len({e.label for e in examples}) == 15
    assert all(e.content.startswith(b"\xff\xd8") for e in examples)
    dev = read(Source(data / "photos15.parquet", split="dev"), content=False)
    assert [e.image for e in dev] == [e.image for e in examples if e.split == "dev"]


@pytest.mark.data
def test_tiny_imagenet(data):
    examples = read(Source(data / "tiny_imagenet.parquet", split="dev"), content=False)
    by_synset = read(Source(data / "tiny_imagenet.parquet", split="dev", columns=Columns(label="wnid")), content=False)
    assert (len(examples), len({e.label for e in examples}), len({e.label for e in by_synset})) == (3200, 200, 200)
    assert (examples[0].label, by_synset[0].label) == ("goldfish", "n01443537")


def test_weights_are_read_from_their_column(tmp_path):
    write_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.jpg", 1)
    rows = ("a.jpg", "x", "0.5"), ("b.jpg", "y", "2")
    named = table(tmp_path / "1.csv", *rows, header=("image", "label", "sample_weight"))
    assert [example.weight for example in read(Source(named))] == [0.5, 2.0]
    other = table(tmp_path / "2.csv", *rows, header=("image", "label", "kilos"))
    assert [example.weight for example in read(Source(other))] == [1.0, 1.0]
    assert [example.weight for example in read(Source(other, columns=Columns(weight="kilos")))] == [0.5, 2.0]


def test_rows_with_impossible_weights_are_named(tmp_path):
    for seed, name in enumerate("abc"):
        write_image(tmp_path / f"{name}.jpg", seed)
    rows = ("a.jpg", "x", "-1"), ("b.jpg", "y", "nan"), ("c.jpg", "y", "1")
    path = table(tmp_path / "1.csv", *rows, header=("image", "label", "sample_weight"))
    with pytest.raises(DataError) as caught:
        read(Source(path))
    assert "line 2: column 'sample_weight' holds '-1'" in str(caught.value)
    assert "line 3: column 'sample_weight' holds 'nan'" in str(caught.value)


def test_splits_that_differ_by_case_alone_are_a_fault(tmp_path):
    rows = [(f"{n}.jpg", "x", split) for n, split in enumerate(("train", "Train ", "TEST"))]
    path = table(tmp_path / "1.csv", *rows, header=("image", "label", "split"))
    with pytest.raises(DataError, match=r"split spelled in several ways: 'Train' \(1\), 'train' \(1\)"):
        read(Source(path), check_images=False)


def test_rows_are_chosen_by_the_values_of_columns(tmp_path):
    for seed, name in enumerate("abc"):
        write_image(tmp_path / f"{name}.jpg", seed)
    rows = ("a.jpg", "x", "here"), ("b.jpg", "", "there"), ("c.jpg", "y", "here")
    path = table(tmp_path / "1.csv", *rows, header=("image", "label", "place"))
    assert [example.label for example in read(Source(path, where={"place": "here"}))] == ["x", "y"]
    assert [example.label for example in read(Source(path, where={"place": "here", "label": "y"}))] == ["y"]
    typed = write_parquet(tmp_path / "a", {"path": ["a.jpg", "b.jpg"], "label": ["x", "y"], "known": [True, False]})
    for value in ("true", "True"):
        assert [e.label for e in read(Source(typed, where={"known": value}))] == ["x"]
    with pytest.raises(DataError, match=r"no column 'town'; it has 'image', 'label', 'place'"):
        read(Source(path, where={"town": "here"}))
    folder = tmp_path / "classes"
    for label in "xy":
        (folder / label).mkdir(parents=True)
        write_image(folder / label / "a.jpg")
    with pytest.raises(DataError, match="rows are chosen by where in tables alone"):
        read(Source(folder, where={"place": "here"}))
