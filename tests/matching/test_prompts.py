"""Labels as sentences, and those as vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.errors import UsageError
from imagist.matching.prompts import LABEL_SETS, Descriptions, label_vectors, read_labels, sentences
from imagist.records import LabelSet

LABELS = LabelSet(("dog", "sports car", "{odd}"))


def embed(texts):
    """Unit vectors that count letters."""
    table = np.array([[text.count(letter) + 1e-3 for letter in "aeiou"] for text in texts], np.float32)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


def test_a_label_without_a_description_is_named_in_the_template():
    assert sentences(LABELS, {}) == [("a photo of dog",), ("a photo of sports car",), ("a photo of {odd}",)]
    assert sentences(LABELS, {}, ["{label}, {label}!"])[0] == ("dog, dog!",)


def test_descriptions_go_before_the_template():
    found = sentences(LABELS, {"dog": ("a puppy", "a hound")}, ["this is {label}"])
    assert found == [("a puppy", "a hound"), ("this is sports car",), ("this is {odd}",)]


@pytest.mark.parametrize(
    ("descriptions", "template", "told"),
    [
        ({"cat": ("a cat",), "cow": ("a cow",)}, "{label}", "no label: cat, cow"),
        ({"dog": ()}, "{label}", "describes dog"),
        ({"dog": ("",)}, "{label}", "describes dog"),
        ({}, "a photo", "no place for the label"),
    ],
)
def test_descriptions_that_make_no_sense_are_refused(descriptions, template, told):
    with pytest.raises(UsageError, match=told):
        sentences(LABELS, descriptions, [template])


def test_several_templates_name_a_label_several_times():
    assert sentences(LABELS, {}, ["{label}", "my {label}"])[0] == ("dog", "my dog")
    with pytest.raises(UsageError, match="no place"):
        sentences(LABELS, {}, [])


FILE = """
[labels]
temple = ["a Buddhist temple", "a shrine"]
beach = "a sandy beach"
coffee = []
"""
TOLD = {"temple": ("a Buddhist temple", "a shrine"), "beach": ("a sandy beach",)}


def test_labels_are_named_in_many_ways(tmp_path):
    (tmp_path / "labels.toml").write_text(FILE, "utf-8")
    names = LabelSet(("temple", "beach", "coffee"))
    (tmp_path / "labels.txt").write_text("\ufefftemple\r\n\r\n beach \ncoffee", "utf-8")
    for named in ("temple, beach,coffee", ["temple", "beach", "coffee"], tmp_path / "labels.txt"):
        assert read_labels(named) == Descriptions(names)
    for named in (tmp_path / "labels.toml", str(tmp_path / "labels.toml"), {**TOLD, "coffee": ()}):
        assert read_labels(named) == Descriptions(names, TOLD)


@pytest.mark.parametrize("name", LABEL_SETS)
def test_categories_that_ship_are_known_by_their_name_and_each_is_described(name):
    found = read_labels(name)
    assert len(found.labels) >= 15
    assert {*found.told} == {*found.labels}


@pytest.mark.parametrize(
    "given", ["", "a,,b", "a,a", [], {}, "missing.toml", "none.txt", "a.csv", ["a", " "], "cat, Cat"]
)
def test_labels_that_make_no_sense_are_refused(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("a,b")
    with pytest.raises(UsageError):
        read_labels(given)


@pytest.mark.parametrize("text", ["[labels]\n", "labels = 1", "[labels]\na = 1", "[labels]\na = 'x'\n[other]\n"])
def test_a_file_of_another_form_is_refused(text, tmp_path):
    (tmp_path / "labels.toml").write_text(text, "utf-8")
    with pytest.raises(UsageError):
        read_labels(tmp_path / "labels.toml")


def test_a_label_s_vector_is_the_mean_of_its_sentences_at_length_one():
    found = label_vectors(embed, [("aaa", "eee"), ("ooo",)])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], [2**-0.5, 2**-0.5, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(found[1], embed(["ooo"])[0], atol=1e-6)


@given(st.lists(st.lists(st.text("aeiou", min_size=1, max_size=6), min_size=1, max_size=4), min_size=1, max_size=4))
def test_vectors_are_one_long_and_order_within_a_label_does_not_matter(described):
    found = label_vectors(embed, described)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(label_vectors(embed, [told[::-1] for told in described]), found, atol=1e-5)
