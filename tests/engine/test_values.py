from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagist.engine.values import cell, decode, encode, plain, storable

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    TEXT,
    st.binary(),
    st.datetimes(),
    st.datetimes(timezones=st.sampled_from([dt.UTC, ZoneInfo("Europe/Berlin"), dt.timezone(dt.timedelta(hours=-3.5))])),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.decimals(allow_nan=False),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)


@given(VALUES)
@example(dt.datetime(1918, 4, 15, 2, 0, tzinfo=ZoneInfo("Europe/Berlin")))  # no such time: clocks were put forward
@example(dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")))  # the second of two such times
def test_every_value_and_its_type_survive_json(value):
    back = decode(json.loads(json.dumps(encode(value))))
    assert back == value
    assert type(back) is type(value)


@given(VALUES)
def test_plain_values_are_strict_json_and_cells_are_text(value):
    json.dumps(plain(value), allow_nan=False)
    assert cell(value) is None or isinstance(cell(value), str)


def test_a_time_zone_keeps_its_name():
    moment = dt.datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    assert decode(encode(moment)).tzinfo.key == "Europe/Berlin"


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (np.int32(7), 7),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        ((1, 2), [1, 2]),
        ([("cat", 0.5), ("dog", None)], {"cat": 0.5, "dog": None}),  # a map, as Arrow gives it
        ([("cat", 1), ("cat", 2)], [["cat", 1], ["cat", 2]]),  # not a map
        (bytearray(b"x"), b"x"),
        (1 + 2j, "(1+2j)"),
    ],
)
def test_what_json_and_python_lack_becomes_the_nearest_thing(value, back):
    assert decode(json.loads(json.dumps(encode(value)))) == back


def test_lone_surrogates_are_spelled_out_wherever_they_stand():
    assert storable("caf\udce9.jpg") == "caf\\udce9.jpg"
    assert decode(encode({"\udce9": ["\udce9"]})) == {"\\udce9": ["\\udce9"]}
    assert storable("café 🐈") == "café 🐈"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", ""),
        (True, "True"),
        (3, "3"),
        (0.1, "0.1"),
        (float("nan"), "nan"),
        (b"\x00\xff", "AP8="),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05+00:00"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.timedelta(minutes=1.5), "90.0"),
        (Decimal("1.50"), "1.50"),
        (["é", None], '["é", null]'),
        ({"a": float("inf")}, '{"a": null}'),
    ],
)
def test_the_text_of_a_cell(value, text):
    assert cell(value) == text
