"""From fine labels to categories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imagist.classifiers.taxonomy import Taxonomy, built_in, built_in_names, from_toml, identity, open_taxonomy
from imagist.errors import UnknownName, UsageError
from imagist.records import LabelSet

PHOTOS15 = LabelSet(
    (
        "bike",
        "bird",
        "butterfly",
        "car",
        "cat",
        "chair",
        "desert",
        "dog",
        "fashion",
        "flower",
        "food",
        "kitchen",
        "person",
        "sky",
        "strawberry",
    )
)
PETS = Taxonomy(
    "pets", LabelSet(("companion animals", "other")), {"companion animals": ("cat", "dog"), "other": ("bird",)}
)
FINE = LabelSet(("bird", "car", "cat", "dog"))


def test_sums_members_and_scales_to_1() -> None:
    scores = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.5, 0, 0]], dtype=np.float32)
    projected = PETS.project(scores, FINE)
    assert projected.dtype == np.float32
    assert projected == pytest.approx(np.array([[0.7 / 0.8, 0.1 / 0.8], [0, 1]]))


def test_a_row_without_mass_is_uniform() -> None:
    assert PETS.project(np.array([[0, 1, 0, 0]], np.float32), FINE).tolist() == [[0.5, 0.5]]


@settings(deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(0, 6), st.just(15)), elements=st.floats(0, 1, width=32)))
def test_rows_sum_to_1_in_every_built_in(scores: np.ndarray) -> None:
    for name in built_in_names():
        taxonomy = built_in(name)
        projected = taxonomy.project(scores, PHOTOS15)
        assert projected.shape == (len(scores), len(taxonomy.labels))
        assert projected.sum(axis=1) == pytest.approx(np.ones(len(scores)), abs=1e-5)


@settings(deadline=None)
@given(st.permutations(range(4)))
def test_the_order_of_fine_labels_does_not_count(order: list[int]) -> None:
    scores = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)
    moved = LabelSet(tuple(FINE.names[i] for i in order))
    assert PETS.project(scores[:, order], moved) == pytest.approx(PETS.project(scores, FINE))


def test_target_is_the_category_of_a_fine_label() -> None:
    assert [PETS.target(fine) for fine in FINE] == ["other", None, "companion animals", "companion animals"]
    assert PETS.target("companion animals") is None


def test_identity_keeps_probabilities() -> None:
    scores = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)
    same = identity(FINE)
    assert same.labels == FINE
    assert same.project(scores, FINE) == pytest.approx(scores)
    assert same.target("car") == "car"


def test_an_entry_is_a_label_or_matches_it_in_any_case_or_as_a_pattern() -> None:
    own = Taxonomy("t", LabelSet(("a", "b", "c")), {"a": ("Cat",), "b": ("*bird", "c[ao]w"), "c": ("cat", "*dog")})
    assert [own.target(label) for label in ("Cat", "CAT", "cat", "Blackbird", "cow", "crow")] == [
        "a", "a", "c", "b", "b", None,
    ]  # fmt: skip
    fine = LabelSet(("hot dog", "cow", "blackbird", "cat", "Cat", "sun"))
    assert own.resolve(fine).members == {"a": ("Cat",), "b": ("cow", "blackbird"), "c": ("hot dog", "cat")}
    assert PETS.resolve(FINE) == PETS


def test_labels_have_other_names() -> None:
    names = {"n1": ("crane, bird", "crane", "bird"), "n2": ("crane",), "n3": ("Jay",)}
    labels = LabelSet(("n1", "n2", "n3", "n4"))
    own = Taxonomy("t", LabelSet(("x", "y")), {"x": ("JAY", "n3", "n4"), "y": ("bi*",)})
    assert own.resolve(labels, names).members == {"x": ("n3", "n4"), "y": ("n1",)}


def test_all_faults_of_entries_are_raised_together() -> None:
    names = {"n1": ("crane, bird", "crane", "bird"), "n2": ("crane",), "n3": ("jay",)}
    own = Taxonomy("t", LabelSet(("x", "y")), {"x": ("crane", "dragon", "jay"), "y": ("j*", "xyz*")})
    with pytest.raises(UsageError) as caught:
        own.resolve(LabelSet(("n1", "n2", "n3")), names)
    for fault in (
        "taxonomy t: ",
        "x: 'crane' could be n1 (crane, bird), n2 (crane)",
        "x: no label matches 'dragon'",
        "y: no label matches 'xyz*'",
        "n3 (jay) is in x and y",
        "the labels are n1, n2, n3)",
    ):
        assert fault in str(caught.value)


def test_a_category_may_be_empty_and_then_has_probability_0() -> None:
    own = Taxonomy("t", LabelSet(("cat", "sky")), {"cat": ("cat",), "sky": ()})
    assert own.unmapped == ("sky",)
    assert PETS.unmapped == ()
    assert own.project(np.array([[0.1, 0.2, 0.3, 0.4]], np.float32), FINE).tolist() == [[1, 0]]
    assert Taxonomy("t", own.labels, {"cat": ("cat",)}) == own


@given(st.permutations(range(3)))
def test_categories_in_another_order(order: list[int]) -> None:
    own = Taxonomy("t", LabelSet(("a", "b", "c")), {"a": ("bird",), "b": ("car", "dog"), "c": ()})
    moved = LabelSet(tuple(own.labels.names[i] for i in order))
    scores = np.array([[0.1, 0.2, 0.3, 0.4]], np.float32)
    np.testing.assert_array_equal(own.reorder(moved).project(scores, FINE), own.project(scores, FINE)[:, order])


def test_a_new_order_has_the_same_categories() -> None:
    own = Taxonomy("t", LabelSet(("a", "b", "d")), {"a": ("cat",)})
    with pytest.raises(UsageError) as caught:
        own.reorder(LabelSet(("a", "c")))
    for fault in ("no category 'c'", "'b' is not among", "'d' is not among"):
        assert fault in str(caught.value)


def test_the_built_in_are_those_promised() -> None:
    assert built_in_names() == ("photos15", "sns4", "social12")
    assert built_in_names("imagenet") == ("imagenet/photos15", "imagenet/sns4", "imagenet/social12")
    for name in built_in_names():
        assert {*built_in(f"imagenet/{name}").labels} == {*built_in(name).labels}
    assert built_in("photos15").labels == PHOTOS15
    assert built_in("sns4").labels.names == ("fashion", "food", "car", "companion animals")
    assert built_in("sns4").members["companion animals"] == ("cat", "dog")
    assert [built_in("sns4").target(name) for name in ("food", "sky")] == ["food", None]
    assert set(PHOTOS15) - set(built_in("social12").labels) == {"fashion", "food", "kitchen"}
    assert len(built_in("social12").labels) == 12


@pytest.mark.parametrize("name", ["sns5", "", "../pyproject", "sns4.toml"])
def test_an_unknown_name_lists_the_valid_ones(name: str) -> None:
    with pytest.raises(UnknownName, match="photos15, sns4, social12, imagenet/photos15"):
        built_in(name)


def test_all_faults_of_a_taxonomy_are_raised_together() -> None:
    with pytest.raises(UsageError) as caught:
        Taxonomy("x", LabelSet(("a", "b")), {"a": ("cat", "dog"), "b": ("dog", "dog"), "d": ("car",)})
    for fault in ("d is not one of the categories", "dog is listed 3 times", "taxonomy x"):
        assert fault in str(caught.value)


def test_all_unknown_members_are_raised_together() -> None:
    with pytest.raises(UsageError) as caught:
        PETS.project(np.ones((1, 1), np.float32), LabelSet(("cat",)))
    for part in ("dog is not a label", "bird is not a label", "the labels are cat"):
        assert part in str(caught.value)


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 5)])
def test_refuses_scores_of_another_width(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="do not fit 4 labels"):
        PETS.project(np.ones(shape, np.float32), FINE)


def test_a_users_own_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pets.toml"
    path.write_text('[labels]\n"companion animals" = ["cat", "dog"]\nother = ["bird"]\n')
    assert from_toml(path) == PETS
    path.write_text('name = "Haustiere"\n[labels]\nandere = ["Vögel"]\n', encoding="utf-8")
    assert from_toml(str(path)) == Taxonomy("Haustiere", LabelSet(("andere",)), {"andere": ("Vögel",)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"labels = [", "TOML"),
        (b"\xff\xfe", "TOML"),
        (b"", r"\[labels\]"),
        (b"labels = 3", r"\[labels\]"),
        (b"[labels]", r"\[labels\]"),
        (b'name = 3\n[labels]\na = ["b"]', "name"),
        (b'[labels]\na = "b"\nc = [1]\nd = ["e"]', "a must be a list of labels; c must be"),
        (b'[labels]\na = []\nb = ["x", "x"]', "x is listed 2 times"),
        (b"[labels]\na = []\nb = []", "no category has members"),
        (b'[labels]\n" " = ["x"]', "non-empty names"),
    ],
)
def test_refuses_a_file_that_is_not_a_taxonomy(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        from_toml(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        from_toml(tmp_path / "none.toml")


def test_a_taxonomy_is_opened_by_its_name_or_by_the_path_of_its_file(tmp_path, monkeypatch) -> None:
    path = tmp_path / "sns4.toml"
    path.write_text('[labels]\nbirds = ["bird"]\n', "utf-8")
    own = Taxonomy("sns4", LabelSet(("birds",)), {"birds": ("bird",)})
    assert open_taxonomy("sns4") == built_in("sns4")
    for name in (path, str(path)):
        assert open_taxonomy(name) == own
    assert open_taxonomy("sns4.toml", tmp_path) == own
    assert open_taxonomy(path, tmp_path / "elsewhere") == own
    monkeypatch.chdir(tmp_path)
    assert open_taxonomy("sns4.toml") == own


@pytest.mark.parametrize(
    ("name", "message"), [("sns5", "no taxonomy 'sns5'"), ("none.toml", "cannot be read"), (".toml", "no tax")]
)
def test_an_unknown_taxonomy_is_a_usage_error(name, message, tmp_path) -> None:
    with pytest.raises(UsageError, match=message):
        open_taxonomy(name, tmp_path)
