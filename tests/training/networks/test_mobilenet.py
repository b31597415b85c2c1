"""Shapes and layout of the encoder that ships."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from imagist.training.networks.mobilenet import (
    ConvUnit,
    Encoder,
    InvertedResidual,
    last_norm,
    teacher_units,
)

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("side", [32, 64])
def test_the_encoder_gives_a_grid_of_one_cell_in_32_pixels(side):
    with torch.no_grad():
        maps = list(Encoder().eval().outputs(torch.zeros(2, 3, side, side)))
    assert maps[-1].shape == (2, 1280, side // 32, side // 32)
    assert len(maps) == 19
    assert 0 <= maps[-1].min() <= maps[-1].max() <= 6


def test_the_encoder_has_the_layout_of_mobilenet_v2():
    encoder = Encoder()
    assert sum(p.numel() for p in encoder.parameters()) == 2_223_872  # table 2 without the classifier
    with torch.no_grad():
        channels = [m.shape[1] for m in encoder.eval().outputs(torch.zeros(1, 3, 32, 32))]
    assert channels == [32, 16, 24, 24, 32, 32, 32, *[64] * 4, *[96] * 3, *[160] * 3, 320, 1280]


def test_the_teacher_has_the_same_units():
    timm = pytest.importorskip("timm")
    with torch.no_grad():
        teacher = timm.create_model("mobilenetv2_100", pretrained=False, pad_type="same").eval()
        student, x = Encoder().eval(), torch.randn(1, 3, 64, 64)
        units = teacher_units(teacher)
        assert len(units) == len(student.units)
        for unit, ours in zip(units, student.outputs(x), strict=True):
            x = unit(x)
            assert x.shape == ours.shape


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2)])
def test_a_unit_pads_as_tensorflow_does(kernel, stride):
    unit = ConvUnit(2, 3, kernel, stride, active=False).eval()
    x = torch.randn(1, 2, 8, 8)
    with torch.no_grad():
        assert unit(x).shape == (1, 3, 8 // stride, 8 // stride)
        if stride == 2:  # the first cell sees the first pixels, and no padding before them
            expected = torch.nn.functional.conv2d(x[:, :, :3, :3], unit.conv.weight) / (1 + unit.norm.eps) ** 0.5
            torch.testing.assert_close(unit(x)[:, :, :1, :1], expected)


def test_a_block_adds_its_input_only_where_shapes_agree():
    assert InvertedResidual(4, 4, 1, 6).residual
    assert not InvertedResidual(4, 4, 2, 6).residual
    assert not InvertedResidual(4, 8, 1, 6).residual
    block = InvertedResidual(4, 4, 1, 6).eval()
    torch.nn.init.zeros_(last_norm(block).weight)
    x = torch.randn(1, 4, 4, 4)
    torch.testing.assert_close(block(x), x)
