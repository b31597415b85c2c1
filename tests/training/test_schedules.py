"""Learning rates over a run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.training.schedules import warmup_cosine


def test_it_warms_up_and_sinks_to_a_hundredth():
    rates = [warmup_cosine(0.1, step, 100, warmup_steps=10) for step in range(100)]
    assert rates[0] == pytest.approx(0.01, rel=0.01)
    assert rates.index(max(rates)) in (9, 10)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert warmup_cosine(0.1, 100, 100, warmup_steps=10) == pytest.approx(0.001)
    assert warmup_cosine(0.1, 50, 100, warmup_steps=1) == pytest.approx(0.1 * (0.01 + 0.99 / 2))


@given(st.floats(1e-6, 10), st.integers(1, 1000), st.integers(1, 2000), st.data())
def test_it_is_above_nothing_and_never_above_its_peak(peak, steps, warm, data):
    step = data.draw(st.integers(0, steps))
    assert 0 < warmup_cosine(peak, step, steps, warmup_steps=warm) <= peak * (1 + 1e-9)
