from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.engine.types import carried_types

NOON = dt.datetime(2026, 1, 2, 12)


def inferred(*chunks):
    return carried_types([[({}, {"c": value}) for value in chunk] for chunk in chunks], ["c"])["c"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None, 2], pa.int64()),
        ([1, 2.5], pa.float64()),
        ([True, None], pa.bool_()),
        (["a", None], pa.string()),
        ([b"a"], pa.binary()),
        ([NOON], pa.timestamp("us")),
        ([NOON.replace(tzinfo=dt.UTC)], pa.timestamp("us", "UTC")),
        ([NOON.date()], pa.date32()),
        ([dt.timedelta(1)], pa.duration("us")),
        ([Decimal("1.5"), Decimal("10.25")], pa.decimal128(4, 2)),
        ([[1], [], None], pa.list_(pa.int64())),
        ([{"a": 1}, {"b": "x"}], pa.struct([("a", pa.int64()), ("b", pa.string())])),
        ([2**60, 1], pa.int64()),
    ],
)
def test_one_kind_of_value_gives_its_type_however_it_is_cut(values, kind):
    assert inferred(values) == kind
    assert inferred(*([value] for value in values)) == kind


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None, None],
        [1, "a"],
        ["a", b"a"],
        [True, 1],
        [NOON, 1],
        [NOON, NOON.date()],
        [NOON, NOON.replace(tzinfo=dt.UTC)],
        [NOON.date(), Decimal(1)],
        [2**60, 0.5],  # a float would lose digits
        [2**70],
        [[1, "a"]],
        [{"a": 1}, {"a": "x"}],
        [{"a": 1}, [1]],
        [{}],  # Parquet has no struct without fields
    ],
)
def test_anything_else_is_text_however_it_is_cut(values):
    assert inferred(values) == pa.string()
    assert inferred(*([value] for value in values)) == pa.string()


def test_a_column_that_some_rows_lack_has_nulls_there():
    chunks = [[({}, {"a": 1})], [({}, {"b": "x"})], [({}, {})]]
    assert carried_types(chunks, ["a", "b"]) == {"a": pa.int64(), "b": pa.string()}


SCALARS = [
    1,
    2**60,
    2**70,
    -(2**63),
    0.5,
    True,
    "a",
    b"a",
    NOON,
    NOON.date(),
    dt.time(1),
    dt.timedelta(1),
    Decimal("1.5"),
    None,
    [1],
    {},
]


@given(st.lists(st.sampled_from(SCALARS), max_size=6))
def test_a_type_other_than_text_holds_every_value_exactly(values):
    kind = inferred(values)
    if kind != pa.string():
        assert pa.array(values, kind).to_pylist() == values
