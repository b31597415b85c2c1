"""The names of carried columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.engine.columns import carried_names
from imagist.records.flat import PREDICTION_FIELDS, columns

CLASSIFIED = columns(PREDICTION_FIELDS)


@pytest.mark.parametrize(
    ("carried", "expected"),
    [
        ([], {}),
        (["user"], {"user": "user"}),
        (["caption"], {"caption": "input.caption"}),
        (["input.caption"], {"input.caption": "input.caption"}),
        (["caption", "input.caption"], {"caption": "input.input.caption", "input.caption": "input.caption"}),
        (["input.caption", "caption"], {"input.caption": "input.caption", "caption": "input.input.caption"}),
        (["Caption"], {"Caption": "Caption"}),
    ],
)
def test_a_carried_column_yields_where_names_clash(carried, expected):
    assert carried_names(carried, CLASSIFIED) == expected


@given(st.lists(st.sampled_from(["label", "input.label", "input.input.label", "x", "input.x", "source"]), unique=True))
def test_no_two_columns_ever_share_a_name(carried):
    names = carried_names(carried, CLASSIFIED)
    assert list(names) == carried
    everything = [*CLASSIFIED, *names.values()]
    assert len(set(everything)) == len(everything)
    assert all(new == old or new.endswith(f"input.{old}") for old, new in names.items())
    assert all(names[name] == name for name in carried if name not in CLASSIFIED)
