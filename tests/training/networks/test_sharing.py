"""Weights that all steps share, and what the way back through each leaves of their gradient."""

from __future__ import annotations

import weakref

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F

from imagist.training.networks.sharing import SharedLinear, lowered, raised, together

pytestmark = pytest.mark.torch


def unrolled(times, x, weight):
    """A recurrence that multiplies by the same weight in steps of 4, 3 and 1 rows."""
    for m in (4, 3, 1):
        x = torch.tanh(times(x[:m], weight))
    return x.square().sum()


def test_the_gradient_of_a_shared_weight_is_that_of_its_uses():
    torch.manual_seed(0)
    x, weight = (torch.randn(4, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    expected = torch.autograd.grad(unrolled(F.linear, x, weight), (x, weight))
    shared = SharedLinear(weight)
    loss = unrolled(lambda x, weight: shared(x), x, weight)
    for _ in range(2):  # the way back can be gone again
        found = torch.autograd.grad(loss, (x, weight), retain_graph=True)
        torch.testing.assert_close(found, expected)


def test_one_weight_can_be_shared_in_two_places_and_not_learn_at_all():
    x, weight = torch.randn(4, 3), torch.randn(3, 3, requires_grad=True)
    one, other = SharedLinear(weight), SharedLinear(weight)
    (found,) = torch.autograd.grad((one(x) * 2 + other(x) * 3).sum(), weight)
    torch.testing.assert_close(found, 5 * torch.ones(4, 3).T @ x)
    assert not SharedLinear(weight.detach())(x).requires_grad


def test_a_shared_weight_is_multiplied_as_autocast_says_and_learns_in_its_own_type():
    torch.manual_seed(0)
    x, weight = torch.randn(8, 16), torch.randn(4, 16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        shared, expected = SharedLinear(weight), F.linear(x, weight)
        found = shared(x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, expected)
    found.float().sum().backward()
    assert weight.grad.dtype == torch.float32
    torch.testing.assert_close(weight.grad, x.sum(0).expand(4, -1), atol=0.05, rtol=0.02)


def test_what_is_used_together_is_let_go_with_its_last_user():
    x = torch.randn(3, 3, requires_grad=True)
    shared = SharedLinear(x * 2)
    kept = weakref.ref(shared._weight)
    shared(torch.randn(2, 3)).sum().backward()
    del shared
    assert kept() is None


def test_parts_are_made_one_after_the_last_of_them():
    x, calls = torch.ones(2, requires_grad=True), []

    def gradient(parts):
        calls.append(len(parts))
        return sum(part for (part,) in parts)

    shared, parts = together(x, gradient)
    parts += [(torch.tensor([1.0, 2.0]),), (torch.tensor([3.0, 4.0]),)]
    (shared + shared).sum().backward()
    assert x.grad.tolist() == [4, 6]
    assert calls == [2]
    assert not parts


def test_types_are_lowered_by_autocast_alone_and_raised_to_single():
    x = torch.ones(2)
    assert lowered(x) is x
    with torch.autocast("cpu", torch.bfloat16):
        assert lowered(x).dtype == torch.bfloat16
    assert [raised(x.to(t)).dtype for t in (torch.bfloat16, torch.float16, torch.float32, torch.float64)] == [
        torch.float32, torch.float32, torch.float32, torch.float64,
    ]  # fmt: skip
