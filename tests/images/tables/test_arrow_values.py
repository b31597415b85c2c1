from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from imagist.images.tables.arrow_values import python_values

FAR = 2**62
SECOND = dt.datetime(1970, 1, 1, 0, 0, 1)


@pytest.mark.parametrize(
    ("kind", "stored", "expected"),
    [
        (pa.timestamp("ns"), [1_000_000_999, 1_000_000_000], [SECOND, SECOND]),
        (pa.timestamp("s"), [1, 2**40], [SECOND, str(2**40)]),
        (pa.timestamp("us"), [1_000_000, -FAR], [SECOND, str(-FAR)]),
        (pa.timestamp("s", "Mars/Olympus"), [1], [SECOND.replace(tzinfo=ZoneInfo("UTC"))]),
        (pa.timestamp("s", "Mars/Olympus"), [FAR], [str(FAR)]),
        (pa.date32(), [1, 10**7], [dt.date(1970, 1, 2), "29349-01-26"]),
        (pa.duration("s"), [1, FAR], [dt.timedelta(seconds=1), str(FAR)]),
        (pa.list_(pa.timestamp("us")), [[1_000_000, FAR], []], [[SECOND, str(FAR)], []]),
        (pa.struct([("t", pa.timestamp("us"))]), [{"t": FAR}], [{"t": str(FAR)}]),
        (pa.map_(pa.string(), pa.timestamp("us")), [[("a", FAR)]], [[("a", str(FAR))]]),
    ],
)
def test_times_that_python_cannot_hold(kind, stored, expected):
    assert python_values(pa.array([*stored, None], kind)) == [*expected, None]


def test_categories_of_times():
    assert python_values(pa.array([FAR, None], pa.timestamp("us")).dictionary_encode()) == [str(FAR), None]


def test_text_that_is_not_utf8_costs_nothing_else():
    buffers = (b"\0\0\0\0\1\0\0\0\2\0\0\0", b"a\xff")
    first, second = python_values(pa.StringArray.from_buffers(2, *map(pa.py_buffer, buffers)))
    assert first == "a"
    assert isinstance(second, UnicodeDecodeError)
