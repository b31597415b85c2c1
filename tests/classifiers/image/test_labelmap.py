"""ImageNet's labels in a user's categories."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("timm")

from imagist.classifiers.image.labelmap import (
    LabelMapClassifier,
    LabelTable,
    built_in_maps,
    imagenet_labels,
    read_label_map,
)
from imagist.classifiers.taxonomy import Taxonomy, built_in
from imagist.errors import UsageError
from imagist.protocols import ImageClassifier
from imagist.records import LabelSet, Photo

pytestmark = pytest.mark.torch

BIRDS = {*range(7, 25), *range(80, 101), *range(127, 147)}  # as ImageNet-1k orders its synsets
DOGS, CATS, BUTTERFLIES = {*range(151, 269)}, {*range(281, 286)}, {*range(321, 327)}


def write(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    return path


def members(table, category):
    return {*table.members[table.labels.index(category)]}


def test_the_built_in_maps_have_the_categories_of_their_taxonomies():
    assert built_in_maps() == ("photos15", "sns4", "social12")
    for name in built_in_maps():
        table = read_label_map(name)
        assert table.name == name
        assert {*table.labels} == {*built_in(name).labels}


@pytest.mark.parametrize("name", ["photos15", "social12"])
def test_they_are_complete(name):
    table = read_label_map(name)
    assert table.unmapped == ("desert", "person", "sky")
    wanted = {"bird": BIRDS, "dog": DOGS, "cat": CATS, "butterfly": BUTTERFLIES, "strawberry": {949}}
    for category, classes in wanted.items():
        assert members(table, category) == classes
    named = {category: {imagenet_labels()[each][1] for each in members(table, category)} for category in table.labels}
    assert {"sports car, sport car", "minivan", "convertible"} <= named["car"]
    assert {"folding chair", "rocking chair, rocker", "barber chair"} <= named["chair"]
    assert named["flower"] >= {"daisy"}
    assert "crane" in named["bird"]
    assert 517 not in members(table, "bird")  # the other crane


def test_the_four_categories_of_sns4_all_have_labels():
    table = read_label_map("sns4")
    assert table.unmapped == ()
    assert members(table, "companion animals") >= DOGS | CATS
    assert 949 in members(table, "food")
    assert 474 in members(table, "fashion")  # the cardigan, and not the Cardigan
    assert 264 not in members(table, "fashion")


def test_no_label_of_a_built_in_map_looks_like_another_category_s():
    table = read_label_map("photos15")
    counted = [each for classes in table.members for each in classes]
    assert len(counted) == len({*counted})


@pytest.mark.data
def test_the_labels_are_in_the_order_of_the_networks(data):
    lines = (data / "weights" / "imagenet_labels.txt").read_text().splitlines()
    assert len(lines) == len(imagenet_labels()) == 1000
    wrong = [(line, names) for line, (_, names) in zip(lines, imagenet_labels(), strict=True) if line not in names]
    assert wrong == []


def test_a_label_may_be_named_in_every_way(tmp_path):
    table = read_label_map(
        write(
            tmp_path,
            'name = "mine"\n[labels]\nfish = ["n01440764", "GOLDFISH", "great white shark, white shark, man-eater, '
            'man-eating shark, Carcharodon carcharias"]\ndog = ["*spaniel", "tabby?c[a]t"]\nsky = []\n',
        )
    )
    assert table.name == "mine"
    assert members(table, "fish") == {0, 1, 2}
    spaniels = {n for n, (_, names) in enumerate(imagenet_labels()) if re.search(r"spaniel(,|$)", names)}
    assert members(table, "dog") == spaniels | {281}
    assert len(spaniels) > 6
    assert table.unmapped == ("sky",)


def test_a_label_named_twice_in_one_category_counts_once(tmp_path):
    table = read_label_map(write(tmp_path, '[labels]\nfish = ["tench", "Tinca tinca", "n01440764"]\n'))
    assert table == LabelTable("own", LabelSet(("fish",)), ((0,),))


def test_all_faults_of_a_file_are_told_together(tmp_path):
    path = write(
        tmp_path,
        '[labels]\nbird = ["crane", "dragon", "jay"]\nbuilding = ["jay", "n00000000", "xyz*"]\nother = "cat"\n'
        'clothes = ["maillot"]\n',
    )
    with pytest.raises(UsageError) as caught:
        read_label_map(path)
    told = str(caught.value)
    for fault in (
        "label map own",
        "bird: 'crane' could be n02012849 (crane), n03126707 (crane)",
        "bird: 'dragon' is no label of ImageNet",
        "building: 'n00000000' is no label of ImageNet",
        "building: no label of ImageNet is like 'xyz*'",
        "n01580077 (jay) is in bird and building",
        "other must be a list of labels",
        "n03710721 (maillot, tank suit)",
    ):
        assert fault in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("labels = [", "TOML"),
        ("", "needs a table"),
        ("[labels]", "needs a table"),
        ("name = 3\n[labels]\na = []", "name"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, told):
    with pytest.raises(UsageError, match=told):
        read_label_map(write(tmp_path, text))


def test_a_missing_file_lists_the_built_in_maps(tmp_path):
    with pytest.raises(UsageError, match="photos15, sns4, social12") as caught:
        read_label_map(tmp_path / "none.toml")
    assert "none.toml" in str(caught.value)


SMALL = LabelTable("small", LabelSet(("a", "b", "none")), ((1, 2), (999,), ()))


def test_probabilities_are_summed_and_a_category_without_labels_gets_none():
    scores = np.zeros((2, 1000), np.float32)
    scores[0, [1, 2, 999, 5]] = 0.1, 0.2, 0.1, 0.6
    scores[1, 5] = 1.0
    found = SMALL.project(scores)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.75, 0.25, 0], [1 / 3, 1 / 3, 1 / 3]], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.permutations(range(3)))
def test_it_agrees_with_a_taxonomy_over_the_same_labels(seed, number, order):
    rng = np.random.default_rng(seed)
    parts = np.split(rng.permutation(1000)[:60], [5, 30])
    names = LabelSet(("a", "b", "c"))
    table = LabelTable("t", names, tuple(tuple(map(int, part)) for part in parts))
    fine = LabelSet(tuple(wnid for wnid, _ in imagenet_labels()))
    same = Taxonomy("t", names, {n: tuple(fine.names[i] for i in part) for n, part in zip(names, parts, strict=True)})
    scores = rng.dirichlet(np.full(1000, 0.05), number) if number else np.zeros((0, 1000))
    found = table.project(scores)
    np.testing.assert_allclose(found, same.project(scores, fine), atol=1e-6)
    moved = LabelSet(tuple(names.names[i] for i in order))
    np.testing.assert_array_equal(table.over(moved).project(scores), found[:, list(order)])


@pytest.mark.parametrize("shape", [(1000,), (2, 999), (2, 1001)])
def test_scores_of_another_width_are_refused(shape):
    with pytest.raises(UsageError, match="1000 labels"):
        SMALL.project(np.ones(shape))


def test_other_categories_than_the_table_s_are_all_told():
    with pytest.raises(UsageError) as caught:
        SMALL.over(LabelSet(("a", "c")))
    for fault in ("no category 'c'", "'b' is not among", "'none' is not among"):
        assert fault in str(caught.value)


class Known:
    """A network whose hidden states are the mean colours, and whose classes are as many as asked for."""

    def __init__(self, classes=1000):
        self.labels = LabelSet(tuple(map(str, range(classes))))

    def hidden(self, photos):
        return np.array([photo.pixels.mean((0, 1)) for photo in photos], np.float32).reshape(-1, 3)

    def scores_of(self, features):
        scores = np.zeros((len(features), 1000), np.float32)
        scores[:, [1, 2, 999]] = features / np.maximum(features.sum(1, keepdims=True), 1)
        return scores


def test_a_classifier_maps_what_its_network_says():
    classifier = LabelMapClassifier(Known(), SMALL)
    assert isinstance(classifier, ImageClassifier)
    assert classifier.unmapped == ("none",)
    assert classifier.labels == SMALL.labels
    photo = Photo(np.full((4, 5, 3), (30, 20, 50), np.uint8))
    np.testing.assert_allclose(classifier.hidden([photo]), [[30, 20, 50]])
    np.testing.assert_allclose(classifier.scores([photo]), [[0.5, 0.5, 0]])
    np.testing.assert_allclose(classifier.scores_of(np.array([[0, 0, 7]], np.float32)), [[0, 1, 0]])
    assert classifier.scores([]).shape == (0, 3)


def test_a_network_of_other_classes_is_refused():
    with pytest.raises(UsageError, match="1001 classes"):
        LabelMapClassifier(Known(1001), SMALL)
