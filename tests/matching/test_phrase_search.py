"""The nearest phrases are exact whatever the memory, and the farthest are the farthest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.arrays import unit
from imagist.errors import UsageError
from imagist.matching import phrase_search
from imagist.matching.phrase_search import PhraseIndex

WIDTH = 8
ROLES = ("flavors", "mediums", "negative")


def index(sizes=(60, 5, 7), seed=0, **more):
    rng = np.random.default_rng(seed)
    rows = [unit(rng.normal(size=(size, WIDTH))).astype(np.float16) for size in sizes]
    names = [tuple(f"{role} {number}" for number in range(size)) for role, size in zip(ROLES, sizes, strict=True)]
    return PhraseIndex(dict(zip(ROLES, names, strict=True)), dict(zip(ROLES, rows, strict=True)), **more)


def images(count=5, seed=1):
    return unit(np.random.default_rng(seed).normal(size=(count, WIDTH)))


def sorted_whole(of, vectors, roles, *, farthest):
    """What a search of everything in float64 finds, by numpy alone."""
    numbers = np.concatenate([np.array([*of.rows(role)]) for role in ROLES if role in roles])
    rows = np.concatenate([of.embeddings[role] for role in ROLES if role in roles]).astype(np.float64)
    cosines = (vectors.astype(np.float64) @ rows.T).astype(np.float32)
    order = np.argsort(cosines if farthest else -cosines, axis=1, kind="stable")
    return np.take_along_axis(cosines, order, 1), numbers[order]


@given(
    memory=st.integers(900, 6000), count=st.integers(1, 80), farthest=st.booleans(),
    roles=st.lists(st.sampled_from(ROLES), min_size=1, unique=True), seed=st.integers(0, 99),
)  # fmt: skip
def test_exact_whatever_the_memory(memory, count, farthest, roles, seed):
    of, vectors = index(seed=seed, max_memory=memory), images(seed=seed)
    cosines, numbers = of.top(vectors, count, roles, farthest=farthest)
    expected, wanted = sorted_whole(of, vectors, roles, farthest=farthest)
    np.testing.assert_array_equal(numbers, wanted[:, :count])
    np.testing.assert_allclose(cosines, expected[:, :count], atol=1e-7)


def test_an_image_s_phrases_do_not_depend_on_the_others(monkeypatch):
    monkeypatch.setattr(phrase_search, "_IMAGES", 3)
    of, vectors = index(), images(8)
    cosines, numbers = of.top(vectors, 4, ["flavors"])
    for row in range(8):
        alone = of.top(vectors[row : row + 1], 4, ["flavors"])
        np.testing.assert_array_equal(alone[0][0], cosines[row])
        np.testing.assert_array_equal(alone[1][0], numbers[row])


def test_of_equal_phrases_the_first_is_first():
    same = np.repeat(unit(np.ones((1, WIDTH))), 5, 0).astype(np.float16)
    of = PhraseIndex({"flavors": tuple("abcde")}, {"flavors": same})
    for farthest in (False, True):
        assert of.top(images(1), 3, ["flavors"], farthest=farthest)[1].tolist() == [[0, 1, 2]]


def test_numbers_name_phrases_and_roles():
    of = index()
    assert of.texts[of.rows("mediums").start] == "mediums 0"
    assert of.roles[of.rows("negative")[-1]] == "negative"
    assert of.rows("artists") == range(0)
    np.testing.assert_array_equal(
        of.vectors([60, 3]), np.stack([of.embeddings["mediums"][0], of.embeddings["flavors"][3]]).astype(np.float32)
    )


def test_no_images_and_roles_without_phrases():
    of = index()
    assert of.top(images(0), 3, ["flavors"])[0].shape[0] == 0
    assert of.top(images(2), 3, ["artists"])[1].shape == (2, 0)


def test_too_little_memory_is_refused():
    with pytest.raises(UsageError, match="too little"):
        index(max_memory=100)
