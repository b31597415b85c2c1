"""Words without what fills their sentences up."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from imagist.training.networks.packing import EVERY, Packing, Steps, causal, up_to_last

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


def up_to(*lengths, max_length):
    """bool ``[N, B, T]``, true up to each length."""
    return torch.arange(max_length) < torch.tensor(lengths)[..., None]


def test_steps_are_in_the_order_of_speaking_and_the_longest_sentence_is_first():
    steps = Steps(up_to([2, 4], [0, 3], max_length=5))
    assert steps.places.tolist() == [1, 3, 0, 2]
    assert steps.images.tolist() == [0, 1, 0, 1]
    assert steps.running == [3, 3, 2, 1, 0]
    said = [["00", "01", "02", "03", "04"], ["10", "11", "12", "13", "14"], [""] * 5, ["30", "31", "32", "33", "34"]]
    order = [said[i // 5][i % 5] for i in steps.index.tolist()]
    assert order == ["10", "30", "00", "11", "31", "01", "12", "32", "13"]


def test_whoever_speaks_spoke_at_the_step_before_in_the_same_place():
    torch.manual_seed(0)
    words = torch.arange(9) < torch.randint(0, 10, (6, 4, 1))
    steps = Steps(words)
    rows = steps.packed(torch.arange(24).view(6, 4, 1, 1).expand(6, 4, 9, 1))[:, 0].split(steps.running)
    for own in rows:
        assert own.tolist() == steps.places[: len(own)].tolist()
    assert sum(steps.running) == len(steps.index) == int(words.sum())


def test_words_of_steps_come_back_to_their_places():
    words, x = up_to([2, 4], [0, 3], max_length=5), torch.randn(2, 2, 5, 3)
    steps = Steps(words)
    torch.testing.assert_close(steps.wide(steps.packed(x)), x * words[..., None])
    assert steps.packed(words.long()).tolist() == [1] * 9  # numbers without a width, too


def test_a_batch_without_words_has_steps_in_which_nobody_speaks():
    steps = Steps(up_to([0, 0], max_length=3))
    assert steps.running == [0, 0, 0]
    assert steps.wide(steps.packed(torch.ones(1, 2, 3, 4))).tolist() == torch.zeros(1, 2, 3, 4).tolist()
