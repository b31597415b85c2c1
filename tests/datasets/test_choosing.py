import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.classifiers import taxonomy
from imagist.classifiers.taxonomy import Taxonomy
from imagist.datasets.choosing import choose, label_set, targets
from imagist.datasets.labels import Example, Source, read
from imagist.errors import DataError, UsageError
from imagist.records import LabelSet

PETS = Taxonomy("pets", LabelSet(("pets", "other")), {"pets": ("cat", "dog"), "other": ("bird",)})


def of(labels):
    return [Example(f"{i}.jpg", label) for i, label in enumerate(labels)]


def test_the_first_of_each_class():
    examples = of("abacbbca")
    assert [e.image[0] for e in choose(examples, first=2)] == [*"012346"]
    assert choose(examples) == examples == choose(examples, first=9)
    with pytest.raises(UsageError, match="1 or more"):
        choose(examples, first=0)


@given(st.lists(st.sampled_from("abcd")), st.integers(1, 5))
def test_the_first_of_each_class_against_a_count(labels, first):
    examples = of(labels)
    kept = choose(examples, first=first)
    assert kept == [e for i, e in enumerate(examples) if labels[:i].count(e.label) < first]


def test_categories_of_a_taxonomy():
    examples = of(["dog", "tree", "bird", "cat", "dog"])
    chosen = choose(examples, taxonomy=PETS, first=2)
    assert [(e.image, e.label) for e in chosen] == [("0.jpg", "pets"), ("2.jpg", "other"), ("3.jpg", "pets")]
    assert [e.label for e in examples] == ["dog", "tree", "bird", "cat", "dog"]
    assert label_set(chosen, PETS) == PETS.labels
    with pytest.raises(DataError, match="taxonomy pets: no example of pets, other"):
        choose(of(["tree"]), taxonomy=PETS)


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
    chosen = choose(examples, taxonomy=task)
    assert [sum(e.split == split for e in chosen) for split in ("train", "dev")] == [train, dev]
    assert {e.label for e in chosen} == {*task.labels}
    hundred = choose([e for e in chosen if e.split == "train"], first=100)
    counts = np.bincount(targets(hundred, label_set(hundred, task)))
    whole = np.bincount(targets([e for e in chosen if e.split == "train"], task.labels))
    assert (counts == np.minimum(100, whole)).all()
