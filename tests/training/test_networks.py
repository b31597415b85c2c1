"""Shapes and layout of the networks, and that teacher forcing is the steps in a row."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from imagist.training.networks import ConvUnit, Decoder, Encoder, InvertedResidual, last_norm  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def decoder():
    return Decoder(11, 6, hidden=8, embedding=7, attention=5, dropout=0.0).eval()


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
    from imagist.training.networks import teacher_units

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


def test_teacher_forcing_is_the_steps_in_a_row(decoder):
    grid, words = torch.randn(2, 4, 6), torch.randint(0, 11, (2, 3, 5))
    with torch.no_grad():
        logits, maps = decoder(grid, words)
        assert logits.shape == (2, 3, 5, 11)
        assert maps.shape == (2, 3, 5, 4)
        values, keys, state, cell = decoder.begin(grid)
        state, cell = (x[:, None].expand(-1, 3, -1) for x in (state, cell))
        for t in range(5):
            out, attention, state, cell = decoder.step(words[:, :, t], values, keys, state, cell)
            torch.testing.assert_close(out, logits[:, :, t])
            torch.testing.assert_close(attention, maps[:, :, t])


def test_attention_is_a_distribution_over_the_cells(decoder):
    _, maps = decoder(torch.randn(2, 4, 6), torch.randint(0, 11, (2, 3, 5)))
    torch.testing.assert_close(maps.sum(-1), torch.ones(2, 3, 5))
    assert (maps >= 0).all()


def test_what_was_said_decides_and_what_comes_later_does_not(decoder):
    grid, words = torch.randn(1, 4, 6), torch.tensor([[[1, 3, 4, 5]]])
    changed = words.clone()
    changed[0, 0, 2] = 9
    one, other = (decoder(grid, w)[0][0, 0] for w in (words, changed))
    torch.testing.assert_close(one[:2], other[:2])
    assert (one[2:] - other[2:]).abs().max() > 1e-4


def test_sentences_and_photos_do_not_touch_each_other(decoder):
    grid, words = torch.randn(3, 4, 6), torch.randint(0, 11, (3, 2, 4))
    together = decoder(grid, words)[0]
    for n in range(3):
        for b in range(2):
            alone = decoder(grid[n : n + 1], words[n : n + 1, b : b + 1])[0]
            torch.testing.assert_close(alone[0, 0], together[n, b])


def test_output_and_embedding_are_tied(decoder):
    assert not [name for name, p in decoder.named_parameters() if p.shape == (11, 7) and name != "embedding.weight"]
