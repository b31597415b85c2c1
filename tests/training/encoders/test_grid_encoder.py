"""A network from pixels to a grid."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn

from imagist.errors import UsageError
from imagist.training.encoders.grid_encoder import GridEncoder, as_grid

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("shape", [(2, 6, 3, 3), (2, 3, 3, 6), (2, 9, 6)], ids=str)
def test_a_map_in_any_layout_is_a_grid(shape):
    x = torch.arange(2 * 9 * 6.0).view(2, 9, 6)
    given = {
        (2, 6, 3, 3): x.transpose(1, 2).unflatten(2, (3, 3)), (2, 3, 3, 6): x.unflatten(1, (3, 3)), (2, 9, 6): x
    }[shape]  # fmt: skip
    assert given.shape == shape
    torch.testing.assert_close(as_grid(given, 6), x)


@pytest.mark.parametrize("shape", [(2, 6), (2, 5, 3, 3), (2, 9, 5)], ids=str)
def test_other_shapes_are_errors(shape):
    with pytest.raises(UsageError, match=r"backbone\.name.*6 channels"):
        as_grid(torch.zeros(shape), 6)


def test_an_encoder_of_one_s_own_is_a_grid_encoder():
    class Halves(nn.Module):
        def forward(self, x):
            return nn.functional.avg_pool2d(x, 2)

    encoder = GridEncoder(Halves(), 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    pixels = torch.randint(0, 256, (1, 4, 4, 3), dtype=torch.uint8)
    expected = nn.functional.avg_pool2d(pixels.permute(0, 3, 1, 2) / 255, 2).flatten(2).transpose(1, 2)
    torch.testing.assert_close(encoder(pixels), expected)
