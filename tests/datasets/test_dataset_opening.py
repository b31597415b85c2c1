from importlib.metadata import EntryPoint

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist import registry
from imagist.datasets import captions, labels
from imagist.datasets.entries import Entry, Example
from imagist.datasets.faults import Faults
from imagist.datasets.opening import listed, of_split
from imagist.datasets.source import ROW, Source
from imagist.errors import DataError, UnknownName

SPLITS = st.lists(st.sampled_from(["train", "val", "test"]), min_size=1, max_size=8)


def rows(*splits):
    return [Entry(f"row {i}", f"{i}.jpg", (), split) for i, split in enumerate(splits)]


@given(SPLITS, st.sets(st.sampled_from(["train", "val", "test"]), min_size=1))
def test_splits_are_a_filter(splits, wanted):
    faults = Faults()
    found = of_split(rows(*splits), "+".join(wanted), "a.csv", faults)
    if wanted <= {*splits}:
        assert list(found) == [row for row in rows(*splits) if row.split in wanted]
        assert not faults
    else:
        with pytest.raises(DataError, match=r"a\.csv: no split .*one of "):
            list(found)


def test_rows_without_any_split_all_get_its_name():
    found = list(of_split([Entry("row 0", "a.jpg", label="x")], "dev", "a.csv", Faults()))
    assert found == [Entry("row 0", "a.jpg", split="dev", label="x")]


def test_a_row_without_a_split_among_others_is_a_fault():
    faults = Faults()
    assert [row.image for row in of_split(rows("train", None, "train"), "train", "a.csv", faults)] == ["0.jpg", "2.jpg"]
    with pytest.raises(DataError, match=r"image without a split: row 1: 1\.jpg"):
        faults.raise_any()


def test_names_listed_with_or_without_folder_and_suffix(tmp_path):
    (tmp_path / "list.txt").write_text("f/a.jpg\nb.jpg\n\nc\ngone.jpg\n")
    entries = [Entry(f"row {i}", name, ()) for i, name in enumerate(["f/a.jpg", "g/a.jpg", "g/b.jpg", "g/c.png"])]
    faults = Faults()
    assert [e.image for e in listed(entries, tmp_path / "list.txt", faults)] == ["f/a.jpg", "g/b.jpg", "g/c.png"]
    with pytest.raises(DataError, match=r"listed image without an entry: gone\.jpg"):
        faults.raise_any()
    with pytest.raises(DataError, match="name a list of images"):
        list(listed(entries, tmp_path / "no.txt", faults))


class Pipes:
    """A format of a plugin: a name, a bar and a label on each line."""

    holds = frozenset({"labels"})
    columns = frozenset()

    def recognises(self, file):
        return file.path.suffix == ".pipes"

    def read(self, file, wanted, faults):
        for number, line in enumerate(file.path.read_text().splitlines(), start=1):
            image, bar, label = line.partition("|")
            if bar:
                yield Entry(f"line {number}", image, label=label)
            else:
                faults.add(ROW, f"line {number} has no bar")


def test_a_plugin_adds_a_format(tmp_path, monkeypatch):
    point = EntryPoint("pipes", f"{__name__}:Pipes", "imagist.datasets")
    monkeypatch.setattr(registry, "entry_points", lambda group: [point] if group == point.group else [])
    path = tmp_path / "a.pipes"
    path.write_text("a.jpg|cat\nb.jpg|dog\n")
    expected = [Example("a.jpg", "cat"), Example("b.jpg", "dog")]
    assert labels.read(Source(path), check_images=False) == expected
    assert labels.read(Source(path.rename(tmp_path / "a.csv"), format="pipes"), check_images=False) == expected
    (tmp_path / "b.pipes").write_text("a.jpg|cat\nb.jpg\n")
    with pytest.raises(DataError, match="line 2 has no bar"):
        labels.read(Source(tmp_path / "b.pipes"), check_images=False)
    with pytest.raises(DataError, match="is of format pipes, which has labels, no captions"):
        captions.read(tmp_path / "b.pipes")


def test_a_named_format_goes_before_the_detected_one(tmp_path):
    (tmp_path / "a.csv").write_text("image,label\na.jpg,x\n")
    with pytest.raises(DataError, match="no annotations with categories"):
        labels.read(Source(tmp_path / "a.csv", format="coco"))
    with pytest.raises(UnknownName, match="no dataset of that name"):
        labels.read(Source(tmp_path / "a.csv", format="arff"))
