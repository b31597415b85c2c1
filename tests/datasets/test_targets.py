import numpy as np
import pytest

from imagist.classifiers import taxonomy
from imagist.classifiers.taxonomy import Taxonomy
from imagist.datasets.labels import Example, Source, read
from imagist.datasets.targets import label_set, map_labels, targets
from imagist.errors import DataError
from imagist.records import LabelSet

PETS = Taxonomy("pets", LabelSet(("pets", "other")), {"pets": ("cat", "dog"), "other": ("bird",)})


def of(labels):
    return [Example(f"{i}.jpg", label) for i, label in enumerate(labels)]


def test_categories_of_a_taxonomy():
    examples = of(["dog", "tree", "bird", "cat", "dog"])
    chosen = map_labels(examples, PETS)
    assert [(e.image, e.label) for e in chosen] == [
        ("0.jpg", "pets"),
        ("2.jpg", "other"),
        ("3.jpg", "pets"),
        ("4.jpg", "pets"),
    ]
    assert [e.label for e in examples] == ["dog", "tree", "bird", "cat", "dog"]
    assert label_set(chosen, PETS) == PETS.labels
    assert map_labels(examples, None) == examples
    with pytest.raises(DataError, match="taxonomy pets: no example of pets, other"):
        map_labels(of(["tree"]), PETS)


def test_labels_as_numbers():
    examples = of("caba")
    assert label_set(examples) == LabelSet(("a", "b", "c"))
    assert targets(examples, label_set(examples)).tolist() == [2, 0, 1, 0]
    assert targets(examples, LabelSet(("c", "b", "a"))).dtype == np.int64
    with pytest.raises(DataError, match="labels 'b', 'c' are not among a"):
        targets(examples, LabelSet(("a",)))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "train", "dev"), [("sns4", 1560, 390), ("social12", 1985, 497), ("photos15", 2885, 722)]
)
def test_the_tasks_over_photos15(data, name, train, dev):
    examples = read(Source(data / "photos15.parquet"), content=False)
    task = taxonomy.built_in(name)
    chosen = map_labels(examples, task)
    assert [sum(e.split == split for e in chosen) for split in ("train", "dev")] == [train, dev]
    assert {e.label for e in chosen} == {*task.labels}
