"""The Transformer decoder against that of PyTorch with the same weights."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn

from imagist.training.networks.transformer import GridLayer, TransformerDecoder

pytestmark = pytest.mark.torch

WORDS, CELLS, CHANNELS, WIDTH, HEADS, LAYERS = 13, 9, 12, 24, 3, 2


def build(**settings):
    decoder = TransformerDecoder(
        WORDS, CHANNELS, cells=CELLS, width=WIDTH, heads=HEADS, layers=LAYERS, **{"dropout": 0.0} | settings
    ).eval()
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, mean=0.1, std=0.3)
    return decoder


def copied(to, **of):
    for name, source in of.items():
        for part in ("weight", "bias"):
            getattr(getattr(to, name), part).data.copy_(getattr(source, part))


def attention(to, weight, bias, out):
    to.in_proj_weight.data.copy_(weight)
    to.in_proj_bias.data.copy_(bias)
    copied(to, out_proj=out)


def theirs(layer, cells, number):
    """``nn.TransformerDecoderLayer`` with the weights of one of ours."""
    made = nn.TransformerDecoderLayer(
        WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    attention(made.self_attn, layer.own.weight, layer.own.bias, layer.own_out)
    weight, bias = (x.unflatten(0, (2, LAYERS, WIDTH))[:, number].flatten(0, 1) for x in (cells.weight, cells.bias))
    attention(
        made.multihead_attn, torch.cat([layer.query.weight, weight]), torch.cat([layer.query.bias, bias]),
        layer.cross_out,
    )  # fmt: skip
    copied(
        made, norm1=layer.norm, norm2=layer.cross_norm, norm3=layer.feed.norm, linear1=layer.feed.widen,
        linear2=layer.feed.narrow,
    )  # fmt: skip
    return made


@torch.no_grad()
def test_its_layers_are_pytorch_s_with_the_mean_of_the_grid_as_the_first_word():
    decoder, grid, words = build(grid_layers=0), torch.randn(2, CELLS, CHANNELS), torch.randint(3, WORDS, (2, 1, 6))
    cells = decoder.grid_norm(decoder.reduce(grid) + decoder.places)
    x = torch.cat([cells.mean(1, keepdim=True), decoder.embedding(words[:, 0])], 1) + decoder.times[:7]
    causal = nn.Transformer.generate_square_subsequent_mask(7)
    for i, layer in enumerate(decoder.layers):
        x = theirs(layer, decoder.cells, i)(x, cells, tgt_mask=causal, tgt_is_causal=True)
    expected = decoder.norm(x[:, 1:]) @ decoder.embedding.weight.T + decoder.bias
    torch.testing.assert_close(decoder(grid, words)[0][:, 0], expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_layer_over_the_grid_is_pytorch_s():
    ours = GridLayer(WIDTH, HEADS, 0.0).eval()
    made = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    attention(made.self_attn, ours.own.weight, ours.own.bias, ours.out)
    copied(made, norm1=ours.norm, norm2=ours.feed.norm, linear1=ours.feed.widen, linear2=ours.feed.narrow)
    x = torch.randn(2, CELLS, WIDTH)
    torch.testing.assert_close(ours(x), made(x), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_attention_it_tells_is_the_mean_of_the_last_layer_s_heads():
    decoder, grid, words = build(), torch.randn(2, CELLS, CHANNELS), torch.randint(3, WORDS, (2, 1, 4))
    asked = {}
    layer = decoder.layers[-1]
    layer.cross_norm.register_forward_hook(lambda _, inputs, output: asked.update(x=output))
    _, maps = decoder(grid, words)
    keys = decoder.begin(grid)[0][f"cell_keys.{LAYERS - 1}"]
    asked.clear()
    decoder(grid, words)
    query = layer.query(asked["x"][:, 0]).unflatten(-1, (HEADS, -1)).transpose(1, 2)
    weights = torch.softmax(query @ keys.transpose(-2, -1) / (WIDTH // HEADS) ** 0.5, -1)
    torch.testing.assert_close(maps[:, 0], weights.mean(1)[:, 1:], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_order_of_words_and_the_place_of_cells_tell():
    decoder, grid = build(), torch.randn(1, CELLS, CHANNELS)
    one, other = (decoder(grid, torch.tensor([[[1, *words, 5]]]))[0][0, 0, -1] for words in ((3, 4), (4, 3)))
    assert (one - other).abs().max() > 1e-3
    words = torch.tensor([[[1, 3, 4]]])
    assert (decoder(grid, words)[0] - decoder(grid.flip(1), words)[0]).abs().max() > 1e-3


@torch.no_grad()
def test_it_has_room_for_its_longest_sentence():
    decoder, grid = build(max_length=5), torch.randn(1, CELLS, CHANNELS)
    words = torch.randint(3, WORDS, (1, 1, 6))  # the start and five
    logits = decoder(grid, words)[0]
    memory, first = decoder.begin(grid)
    state = {name: x[:, None] for name, x in first.items()}
    for t in range(6):
        out, _, state = decoder.step(words[:, :, t], memory, state)
        torch.testing.assert_close(out, logits[:, :, t], atol=1e-5, rtol=1e-5)


def test_output_and_embedding_are_tied():
    names = [name for name, p in build().named_parameters() if tuple(p.shape) == (WORDS, WIDTH)]
    assert names == ["embedding.weight"]
