"""The built-in taxonomies over ImageNet's labels, and the names of these labels."""

from __future__ import annotations

import re

import numpy as np
import pytest

from imagist.classifiers.image.imagenet import imagenet_labels, imagenet_names
from imagist.classifiers.taxonomy import Taxonomy, built_in, from_toml
from imagist.errors import UsageError
from imagist.records import LabelSet

BIRDS = {*range(7, 25), *range(80, 101), *range(127, 147)}  # as ImageNet-1k orders its synsets
DOGS, CATS, BUTTERFLIES = {*range(151, 269)}, {*range(281, 286)}, {*range(321, 327)}


def resolved(taxonomy):
    return taxonomy.resolve(imagenet_labels(), imagenet_names())


def classes(taxonomy, category):
    return {imagenet_labels().index(wnid) for wnid in taxonomy.members[category]}


@pytest.mark.parametrize("name", ["photos15", "social12"])
def test_the_built_in_taxonomies_are_complete(name):
    taxonomy = resolved(built_in(f"imagenet/{name}"))
    assert taxonomy.name == name
    assert taxonomy.unmapped == ("desert", "person", "sky")
    wanted = {"bird": BIRDS, "dog": DOGS, "cat": CATS, "butterfly": BUTTERFLIES, "strawberry": {949}}
    for category, expected in wanted.items():
        assert classes(taxonomy, category) == expected
    named = {
        category: {imagenet_names()[wnid][0] for wnid in taxonomy.members[category]} for category in taxonomy.labels
    }
    assert {"sports car, sport car", "minivan", "convertible"} <= named["car"]
    assert {"folding chair", "rocking chair, rocker", "barber chair"} <= named["chair"]
    assert named["flower"] >= {"daisy"}
    assert "crane" in named["bird"]
    assert 517 not in classes(taxonomy, "bird")  # the other crane


def test_the_four_categories_of_sns4_all_have_labels():
    taxonomy = resolved(built_in("imagenet/sns4"))
    assert taxonomy.unmapped == ()
    assert classes(taxonomy, "companion animals") >= DOGS | CATS
    assert 949 in classes(taxonomy, "food")
    assert 474 in classes(taxonomy, "fashion")  # the cardigan, and not the Cardigan
    assert 264 not in classes(taxonomy, "fashion")


@pytest.mark.data
def test_the_labels_are_in_the_order_of_the_networks(data):
    lines = (data / "weights" / "imagenet_labels.txt").read_text().splitlines()
    assert len(lines) == len(imagenet_labels()) == 1000
    wrong = [
        (line, names) for line, names in zip(lines, imagenet_names().values(), strict=True) if line not in names[0]
    ]
    assert wrong == []


def test_a_label_may_be_named_in_every_way(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "mine"\n[labels]\nfish = ["n01440764", "GOLDFISH", "great white shark, white shark, man-eater, '
        'man-eating shark, Carcharodon carcharias"]\ndog = ["*spaniel", "tabby?c[a]t"]\nsky = []\n',
        "utf-8",
    )
    taxonomy = resolved(from_toml(path))
    assert taxonomy.name == "mine"
    assert classes(taxonomy, "fish") == {0, 1, 2}
    spaniels = {n for n, (names, *_) in enumerate(imagenet_names().values()) if re.search(r"spaniel(,|$)", names)}
    assert classes(taxonomy, "dog") == spaniels | {281}
    assert len(spaniels) > 6
    assert taxonomy.unmapped == ("sky",)


def test_several_names_of_one_label_count_once():
    taxonomy = Taxonomy("t", LabelSet(("fish",)), {"fish": ("tench", "Tinca tinca", "n01440764")})
    assert resolved(taxonomy).members == {"fish": ("n01440764",)}


def test_a_name_of_two_labels_is_ambiguous():
    with pytest.raises(UsageError, match=r"bird: 'crane' could be n02012849 \(crane\), n03126707 \(crane\)"):
        resolved(Taxonomy("t", LabelSet(("bird",)), {"bird": ("crane",)}))


def test_projection_sums_the_columns_of_the_members():
    taxonomy = resolved(built_in("imagenet/social12"))
    scores = np.random.default_rng(0).dirichlet(np.full(1000, 0.05), 5).astype(np.float32)
    columns = [scores[:, sorted(classes(taxonomy, category))].sum(1, dtype=np.float64) for category in taxonomy.labels]
    mass = np.stack(columns, axis=1)
    expected = mass / mass.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(taxonomy.project(scores, imagenet_labels()), expected, atol=1e-6)


@pytest.mark.torch
def test_the_names_are_those_of_timm():
    info = pytest.importorskip("timm.data.imagenet_info").ImageNetInfo("imagenet-1k")
    listed = [(info.index_to_label_name(i), info.index_to_description(i)) for i in range(info.num_classes())]
    assert [(label, names[0]) for label, names in imagenet_names().items()] == listed
