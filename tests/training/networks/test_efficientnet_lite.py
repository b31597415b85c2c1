"""The encoder that ships has the layout of EfficientNet-Lite0, to the last weight."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn

from imagist.training.networks.efficientnet_lite import ConvUnit, EfficientNetLite, InvertedResidual, maps

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("side", [32, 64])
def test_the_encoder_gives_a_grid_of_one_cell_in_32_pixels(side):
    encoder = EfficientNetLite().eval()
    with torch.no_grad():
        found = maps(encoder.stages, torch.randn(2, 3, side, side))
        assert encoder(torch.zeros(1, 3, side, side)).shape == (1, 1280, side // 32, side // 32)
    assert [m.shape[1] for m in found] == [32, 16, 24, 40, 80, 112, 192, 320, 1280]
    assert [side // m.shape[2] for m in found] == [2, 2, 4, 8, 16, 16, 32, 32, 32]
    assert 0 <= found[-1].min() <= found[-1].max() <= 6


def test_the_head_can_be_left_out():
    whole, grid_only = EfficientNetLite(), EfficientNetLite(classes=0)
    assert whole.state_dict().keys() - grid_only.state_dict().keys() == {"head.weight", "head.bias"}
    assert whole.head(torch.zeros(2, 1280)).shape == (2, 1000)


@torch.no_grad()
def test_with_the_weights_of_timm_s_network_it_computes_the_same():
    timm = pytest.importorskip("timm")
    torch.manual_seed(3)
    theirs, ours = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval(), EfficientNetLite().eval()
    for norm in (m for m in theirs.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 1.5)
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    x = torch.randn(2, 3, 96, 96)
    torch.testing.assert_close(ours(x), theirs.forward_features(x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.head(ours(x).mean((2, 3))), theirs(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2)])
@torch.no_grad()
def test_a_unit_pads_as_tensorflow_does(kernel, stride):
    unit = ConvUnit(2, 3, kernel, stride, active=False).eval()
    x = torch.randn(1, 2, 8, 8)
    assert unit(x).shape == (1, 3, 8 // stride, 8 // stride)
    if stride == 2:  # the first cell lacks (kernel - 2) // 2 rows and columns of the image
        lacking = (kernel - 2) // 2
        weight = unit.conv.weight[:, :, lacking:, lacking:]
        seen = x[:, :, : kernel - lacking, : kernel - lacking]
        expected = nn.functional.conv2d(seen, weight) / (1 + unit.norm.eps) ** 0.5
        torch.testing.assert_close(unit(x)[:, :, :1, :1], expected)


def test_a_block_adds_its_input_only_where_shapes_agree():
    assert InvertedResidual(4, 4, 3, 1, 6).residual
    assert not InvertedResidual(4, 4, 3, 2, 6).residual
    assert not InvertedResidual(4, 8, 3, 1, 6).residual
    block = InvertedResidual(4, 4, 5, 1, 6).eval()
    nn.init.zeros_(block.layers[-1].norm.weight)
    x = torch.randn(1, 4, 4, 4)
    torch.testing.assert_close(block(x), x)
