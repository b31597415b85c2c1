import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.datasets.checking import check
from imagist.datasets.entries import Record
from imagist.datasets.faults import MOST_NAMED, Faults
from imagist.errors import DataError


def record(image, *captions, content=b"", **translations):
    return Record(image, captions or ("x",), content=content or image.encode(), translations=translations)


def faults_of(records_by_split, **options):
    with pytest.raises(DataError) as error:
        check(records_by_split, **options)
    return str(error.value)


def test_nothing_is_wrong(folder):
    on_disk = [Record(str(folder / f"{name}.jpg"), ("x",)) for name in "ab"]
    address = Record("https://example.org/a.jpg", ("x",))
    check({"train": [*on_disk, record("c")], "dev": [record("d"), address], "empty": []})


def test_every_kind_of_fault_at_once(folder):
    train = [record("a"), record("b", "fine", " \t"), record("b"), Record(str(folder / "x.jpg"), ("x",))]
    dev = [record("a"), Record("c", (), content=b"c"), record("d", de=("",)), record("e", content=b"b")]
    text = faults_of({"train": train, "dev": dev})
    assert text.startswith("7 faults (")
    assert "image in two splits: a, in train and dev" in text
    assert "image in two splits: b (train) and e (dev) hold the same bytes" in text
    assert "image twice in a split: train: b, 2 times" in text
    assert "empty caption: train: b: caption 2 of 2" in text
    assert "empty caption: dev: d: de caption 1 of 1" in text
    assert "image without captions: dev: c" in text
    assert f"missing image: train: {folder}/x.jpg: no such file" in text


def test_equal_bytes_on_disk_are_found_under_other_names(folder, jpeg):
    (folder / "copy.jpg").write_bytes((folder / "a.jpg").read_bytes())
    train = [Record(str(folder / "a.jpg"), ("x",)), Record(str(folder / "b.jpg"), ("x",))]
    assert "hold the same bytes" in faults_of({"train": train, "dev": [Record(str(folder / "copy.jpg"), ("x",))]})
    assert "hold the same bytes" in faults_of({"train": train, "dev": [record("held", content=jpeg(0))]})
    check({"train": [*train, Record(str(folder / "copy.jpg"), ("x",))]})  # within a split they do no harm


def test_equal_sizes_alone_are_no_fault():
    same = [record("a", content=b"12"), record("c", content=b"12")]
    check({"train": same, "dev": [record("b", content=b"21")]})


def test_text_alone():
    text_only = {"train": [Record("a", ("x",))], "dev": [Record("a", ("y",))]}
    assert faults_of(text_only, check_images=False).startswith("1 fault (image in two splits: 1)")
    check({"train": [Record("a", ("x",))], "dev": [Record("b", ("y",))]}, check_images=False)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read(folder):
    (folder / "a.jpg").chmod(0)
    assert "permission denied" in faults_of({"train": [Record(str(folder / "a.jpg"), ("x",))]})


def test_names_that_are_no_file_names():
    assert "null" in faults_of({"train": [Record("a\0b", ("x",))]})


@given(st.dictionaries(st.sampled_from(["missing", "empty", "twice"]), st.integers(1, 30), min_size=1))
def test_so_many_are_named_and_the_rest_is_counted(counts):
    faults = Faults()
    for kind, count in counts.items():
        for number in range(count):
            faults.add(kind, f"number {number}")
    with pytest.raises(DataError) as error:
        faults.raise_any(item="file", remedy="mend it")
    total, *lines = error.value.message.split("\n")
    named = [line for line in lines if "number" in line]
    assert len(faults) == sum(counts.values())
    assert total.startswith(f"{len(faults)} fault")
    assert len(named) == min(len(faults), MOST_NAMED)
    assert (f"  and {len(faults) - MOST_NAMED} more" in lines) == (len(faults) > MOST_NAMED)
    for kind, count in counts.items():  # the kinds take turns
        assert sum(kind in line for line in named) >= min(count, MOST_NAMED // len(counts))


def test_no_faults_no_error():
    Faults().raise_any()
