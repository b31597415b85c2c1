import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.datasets.entries import Example
from imagist.datasets.groups import accounts, joined, linked

scipy_graphs = pytest.importorskip("scipy.sparse.csgraph")


def test_accounts():
    examples = [Example("x", "y", account=name) for name in ("a", None, "b", "a", None)]
    assert accounts(examples).tolist() == [0, 1, 2, 0, 3]
    assert accounts([]).tolist() == []


def test_joined_groupings():
    assert joined([0, 0, 1, 2, 3], ["a", "b", "b", "c", "d"]).tolist() == [0, 0, 0, 1, 2]
    assert joined([5, 5, 4]).tolist() == [0, 0, 1]


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_links_against_scipy(case):
    count, pairs = case
    matrix = np.zeros((count, count), int)
    for a, b in pairs:
        matrix[a, b] = 1
    _, expected = scipy_graphs.connected_components(matrix, directed=False)
    groups = linked(count, pairs)
    assert ((groups[:, None] == groups) == (expected[:, None] == expected)).all()
    assert [*dict.fromkeys(groups.tolist())] == [*range(groups.max() + 1)]


def test_a_long_chain():
    assert linked(20_000, [(i, i + 1) for i in reversed(range(19_999))]).max() == 0
