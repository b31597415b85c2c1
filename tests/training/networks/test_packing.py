"""Words without what fills their sentences up."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from imagist.training.networks.packing import EVERY, Packing, causal, up_to_last  # noqa: E402

pytestmark = pytest.mark.torch


def test_packed_words_come_back_to_their_places():
    words = torch.tensor([[[True, True, False], [False, False, False]], [[True, False, False], [True, True, True]]])
    x = torch.randn(2, 2, 3, 5)
    packing = Packing(words)
    packed = packing.packed(x)
    assert packed.shape == (6, 5)
    torch.testing.assert_close(packed, x[words])
    torch.testing.assert_close(packing.wide(packed), x * words[..., None])


def test_without_a_mask_all_words_stay_where_they_are():
    x = torch.randn(2, 2, 3, 5)
    assert EVERY.packed(x) is x
    assert EVERY.wide(x) is x


def test_a_gap_is_no_end():
    words = torch.tensor([[True, False, True, False], [False, False, False, False], [False, True, False, False]])
    assert up_to_last(words).tolist() == [[True] * 3 + [False], [False] * 4, [True, True, False, False]]


def test_no_word_looks_at_a_later_one():
    seen = causal(torch.zeros(3, 5)).isfinite()
    assert seen.tolist() == [[True, True, True, False, False], [True] * 4 + [False], [True] * 5]
    assert causal(torch.zeros(1, 5)).isfinite().all()
