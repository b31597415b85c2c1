"""Dropout that is drawn eight elements at a time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from imagist.training.networks.dropout import Dropout

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_that_share_is_dropped_and_the_mean_is_kept(p):
    dropped = Dropout(p)(torch.ones(400, 1000))
    share = float((dropped == 0).float().mean())
    exact = round(256 * p) / 256
    assert share == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 4e5) ** 0.5)
    assert abs(exact - p) <= 1 / 512
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - exact)))
    assert float(dropped.mean()) == pytest.approx(1, abs=4 * (exact / (1 - exact) / 4e5) ** 0.5)


def test_elements_are_dropped_independently_of_their_neighbours():
    kept = (Dropout(0.5)(torch.ones(100_000)) != 0).float() - 0.5
    for apart in (1, 2, 3, 4, 5, 6, 7, 8, 16):  # eight share a number
        assert abs(float((kept[apart:] * kept[:-apart]).mean())) < 0.25 * 5 / 1e5**0.5


@pytest.mark.parametrize("p", [0.0, 0.001])
def test_a_chance_of_nothing_is_identity(p):
    x = torch.randn(7, 5)
    assert Dropout(p)(x) is x


def test_in_use_it_is_identity():
    x = torch.randn(7, 5)
    assert Dropout(0.5).eval()(x) is x


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 1000))
def test_any_shape_and_the_same_seed_the_same_mask(shape, seed):
    def drawn():
        torch.manual_seed(seed)
        return Dropout(0.5)(torch.ones(shape))

    one = drawn()
    assert one.shape == torch.Size(shape)
    assert torch.equal(one, drawn())
    assert {*one.flatten().tolist()} <= {0.0, 2.0}


def test_each_call_has_a_mask_of_its_own():
    dropout, x = Dropout(0.5), torch.ones(64)
    masks = {tuple(dropout(x).tolist()) for _ in range(20)}
    assert len(masks) == 20
    torch.manual_seed(1)
    one = dropout(x)
    torch.manual_seed(2)
    assert not torch.equal(one, dropout(x))


def test_the_gradient_is_the_mask():
    x = torch.randn(50, 8, requires_grad=True)
    y = Dropout(0.25)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, torch.where(y == 0, 0.0, 1 / 0.75))
    torch.testing.assert_close(y.detach(), x.detach() * x.grad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_it_keeps_the_type_and_any_layout(dtype):
    x = torch.ones(6, 4, 10, dtype=dtype).transpose(0, 2)
    y = Dropout(0.5)(x)
    assert (y.dtype, y.shape) == (dtype, x.shape)
    assert {*y.flatten().tolist()} == {0.0, 2.0}


def test_it_shows_its_chance():
    assert repr(Dropout(0.3)) == "Dropout(p=0.3)"
