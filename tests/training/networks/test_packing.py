"""Words without what fills their sentences up."""

from __future__ import annotations

import weakref

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from imagist.training.networks.packing import (  # noqa: E402
    EVERY,
    Packing,
    SharedLinear,
    Steps,
    causal,
    lowered,
    raised,
    together,
    up_to_last,
)

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


def up_to(*lengths, longest):
    """bool ``[N, B, T]``, true up to each length."""
    return torch.arange(longest) < torch.tensor(lengths)[..., None]


def test_steps_are_in_the_order_of_speaking_and_the_longest_sentence_is_first():
    steps = Steps(up_to([2, 4], [0, 3], longest=5))
    assert steps.places.tolist() == [1, 3, 0, 2]
    assert steps.photos.tolist() == [0, 1, 0, 1]
    assert steps.speaking == [3, 3, 2, 1, 0]
    said = [["00", "01", "02", "03", "04"], ["10", "11", "12", "13", "14"], [""] * 5, ["30", "31", "32", "33", "34"]]
    order = [said[i // 5][i % 5] for i in steps.index.tolist()]
    assert order == ["10", "30", "00", "11", "31", "01", "12", "32", "13"]


def test_whoever_speaks_spoke_at_the_step_before_in_the_same_place():
    torch.manual_seed(0)
    words = torch.arange(9) < torch.randint(0, 10, (6, 4, 1))
    steps = Steps(words)
    rows = steps.packed(torch.arange(24).view(6, 4, 1, 1).expand(6, 4, 9, 1))[:, 0].split(steps.speaking)
    for own in rows:
        assert own.tolist() == steps.places[: len(own)].tolist()
    assert sum(steps.speaking) == len(steps.index) == int(words.sum())


def test_words_of_steps_come_back_to_their_places():
    words, x = up_to([2, 4], [0, 3], longest=5), torch.randn(2, 2, 5, 3)
    steps = Steps(words)
    torch.testing.assert_close(steps.wide(steps.packed(x)), x * words[..., None])
    assert steps.packed(words.long()).tolist() == [1] * 9  # numbers without a width, too


def test_a_batch_without_words_has_steps_in_which_nobody_speaks():
    steps = Steps(up_to([0, 0], longest=3))
    assert steps.speaking == [0, 0, 0]
    assert steps.wide(steps.packed(torch.ones(1, 2, 3, 4))).tolist() == torch.zeros(1, 2, 3, 4).tolist()


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
