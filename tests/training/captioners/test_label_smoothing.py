"""Cross-entropy with label smoothing, against torch's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch.nn import functional as F

from imagist.training.captioners.label_smoothing import AT_ONCE, smoothed_cross_entropy

pytestmark = pytest.mark.torch

SMOOTHING = [0.0, 0.1, 0.5, 1.0]


def drawn(rows, words, seed, dtype):
    source = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(rows, words, generator=source, dtype=torch.float64)
    return logits.to(dtype).requires_grad_(), torch.randint(words, (rows,), generator=source)


@given(st.integers(1, 9) | st.integers(AT_ONCE - 1, 2 * AT_ONCE + 1), st.integers(2, 30), st.sampled_from(SMOOTHING),
       st.integers(0, 99))  # fmt: skip
def test_it_is_that_of_torch(rows, words, smoothing, seed):
    logits, goal = drawn(rows, words, seed, torch.float64)
    ours = smoothed_cross_entropy(logits, goal, smoothing)
    theirs = F.cross_entropy(logits, goal, label_smoothing=smoothing, reduction="sum")
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(*(torch.autograd.grad(3 * loss, logits)[0] for loss in (ours, theirs)))


@pytest.mark.parametrize("smoothing", SMOOTHING)
def test_halves_are_summed_up_in_float32_and_their_gradient_is_of_halves(smoothing):
    logits, goal = drawn(300, 50, 1, torch.bfloat16)
    ours = smoothed_cross_entropy(logits, goal, smoothing)
    theirs = F.cross_entropy(logits.float(), goal, label_smoothing=smoothing, reduction="sum")
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs)
    ours.backward()
    expected = torch.autograd.grad(theirs, logits)[0]
    assert logits.grad.dtype == torch.bfloat16
    torch.testing.assert_close(logits.grad, expected)


def test_nothing_costs_nothing():
    logits = torch.zeros(0, 7, requires_grad=True)
    smoothed_cross_entropy(logits, torch.zeros(0, dtype=torch.long), 0.1).backward()
    assert logits.grad.shape == (0, 7)
