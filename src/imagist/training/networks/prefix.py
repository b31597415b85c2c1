"""`prefix-gpt2`: the grid as the first tokens of a GPT-2, which goes on from them in words.

Shapes: N photos, L cells, D channels, B sentences or beams, T words, V words known, P tokens of the prefix, M layers,
H heads, E width of GPT-2, F = E / H.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from imagist.errors import UsageError
from imagist.training.networks.decoder import (
    CaptionDecoder,
    Pair,
    Tensors,
    beams_of,
    by_layer,
    growing_by_layer,
    of_layer,
)
from imagist.training.networks.dropout import Dropout
from imagist.training.networks.mapping import PooledMapping, QueriesMapping
from imagist.training.networks.packing import EVERY, Packing, causal, up_to_last


class PrefixDecoder(CaptionDecoder):
    """A mapping to prefix tokens, and a GPT-2 that is trained with it or left as it is (frozen).

    The last token of the prefix stands where the start of the sentence is said, so that GPT-2 reads prefix and words
    with nothing between, as in the source; a published GPT-2 has learned to forget at its ``<|endoftext|>``.
    The blocks of GPT-2 are run from here, with the weights and modules of transformers, so that all sentences of a
    photo share the keys and values of its prefix and a step is a graph of plain tensors.

    Source: Mokady et al. 2021, "ClipCap: CLIP Prefix for Image Captioning", section 3.

    Args:
        language_model: A ``GPT2LMHeadModel``, see `imagist.training.captioners.gpt2`; a frozen one needs no gradients.
        channels: D.
        cells: L, which only ``queries`` need to know.
        prefix: P, 3 or more.
        mapping: ``queries`` or ``mlp``.
        mapping_layers: Of ``queries``.
        frozen: GPT-2 keeps its weights, its dropout off; only the mapping learns, and how likely the end is. For no
            prefix makes a model end that has always gone on after a sentence: the paper's sample ran into a story.
        starts: The words that sentences begin after, one for each language; by default the language model's one.
        end: The word that ends a sentence; by default the language model's.
        banned: Words that are never said; the starts are added to them, but for one that is the end as well.
        max_length: Most words of a sentence, the end not counted.
        dropout: Of the mapping, 0 to 1; the language model has its own.
        seen: As `CaptionDecoder`.

    Attributes:
        starts: As the argument.
        start: The first of them.
        end: As the argument.
        banned: Words that are never said, sorted.

    Raises:
        UsageError: The language model is no GPT-2, has too few places, or names no start and end; a setting is out of
            its range.
    """

    at_end: Tensor

    def __init__(
        self,
        language_model: Any,
        channels: int,
        *,
        cells: int = 49,
        prefix: int = 10,
        mapping: Literal["queries", "mlp"] = "queries",
        mapping_layers: int = 2,
        frozen: bool = False,
        starts: Sequence[int] = (),
        end: int | None = None,
        banned: Sequence[int] = (),
        max_length: int = 24,
        dropout: float = 0.1,
        seen: float = 1.0,
    ) -> None:
        config = language_model.config
        _check(config, prefix, mapping, max_length)
        super().__init__(config.vocab_size, seen)
        self.growing = growing_by_layer(config.n_layer)
        self.starts = tuple(starts) or (int(config.bos_token_id),)
        self.start, self.end = self.starts[0], int(config.eos_token_id if end is None else end)
        self.banned = tuple(sorted({*banned, *self.starts} - {self.end}))
        self.frozen, self.heads = frozen, config.n_head
        self.language_model = language_model.requires_grad_(not frozen)
        for module in [*language_model.modules()]:
            for name, part in module.named_children():
                if isinstance(part, nn.Dropout):
                    setattr(module, name, Dropout(part.p))
        width = config.n_embd
        self.mapping = (
            PooledMapping(channels, prefix, width, dropout)
            if mapping == "mlp"
            else QueriesMapping(channels, cells, prefix, width, mapping_layers, self.heads, dropout)
        )
        self.mapped_norm = nn.LayerNorm(width)  # begins at the scale of words
        nn.init.constant_(self.mapped_norm.weight, float(language_model.transformer.wte.weight.detach().std()))

        self.ending = nn.Linear(width, 1) if frozen else None
        if self.ending is not None:
            nn.init.zeros_(self.ending.weight)
            nn.init.zeros_(self.ending.bias)
            self.register_buffer("at_end", (torch.arange(self.words) == self.end).float(), persistent=False)

    def train(self, mode: bool = True) -> PrefixDecoder:
        """As `nn.Module.train`; a frozen language model stays as it is used."""
        super().train(mode)
        self.language_model.train(mode and not self.frozen)
        return self

    def begin(self, grid: Tensor) -> tuple[Tensors, Tensors]:
        """What all sentences of a photo share, and the keys and values of the last token before them.

        Memory: ``opening`` ``[N, E]``, said in place of the start; of each layer keys and values of the prefix,
        ``[N, H, P - 2, F]``. State: of each layer keys and values ``[N, H, 1, F]``.
        """
        tokens = self.mapped_norm(self.mapping(*self.shown(grid)))
        x, pairs = self._placed(tokens[:, None, :-1], 0), []
        for block in self.language_model.transformer.h:
            x, pair = self._block(block, x, None, None)
            pairs.append(pair)
        before = by_layer([(key[:, 0, :, :-1], value[:, 0, :, :-1]) for key, value in pairs], "prefix_")
        last = by_layer([(key[:, 0, :, -1:], value[:, 0, :, -1:]) for key, value in pairs])
        return {"opening": tokens[:, -1]} | before, last

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """As `CaptionDecoder.step` says; keys and values ``[N, B, H, t, F]`` grow by one."""
        hidden, pairs = self._read(word[:, :, None], memory, state)
        return self.say(hidden[:, :, 0]), None, by_layer(pairs)

    def hidden(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """As `CaptionDecoder.hidden` says, all words at once, a photo's prefix once for its sentences."""
        memory, first = self.begin(grid)
        packing = EVERY if where is None else Packing(up_to_last(where))
        return packing.wide(self._read(words, memory, beams_of(first, words.shape[1]), packing)[0]), None

    def say(self, hidden: Tensor) -> Tensor:
        """As `CaptionDecoder.say` says."""
        logits: Tensor = self.language_model.lm_head(hidden)
        return logits if self.ending is None else logits + self.ending(hidden) * self.at_end

    def _read(
        self, words: Tensor, memory: Tensors, state: Tensors, packing: Packing = EVERY
    ) -> tuple[Tensor, list[Pair]]:
        """What follows each of ``[N, B, T]``, packed, and the keys and values ``[N, B, H, t + T, F]`` of each layer."""
        gpt2, prefix = self.language_model.transformer, memory["prefix_keys.0"].shape[2]
        said = self._opened(gpt2.wte(words), words, memory["opening"][:, None, None])
        x, pairs = packing.packed(self._placed(said, prefix + state["keys.0"].shape[3])), []
        for i, block in enumerate(gpt2.h):
            x, pair = self._block(block, x, of_layer(memory, i, "prefix_"), of_layer(state, i), packing)
            pairs.append(pair)
        return gpt2.ln_f(x), pairs

    def _opened(self, said: Tensor, words: Tensor, opening: Tensor) -> Tensor:
        """The vectors ``[N, B, T, E]`` of words, the opening in place of a start; added where there are several."""
        first = words == self.start
        for start in self.starts[1:]:
            first = first | (words == start)
        return torch.where(first[..., None], opening if len(self.starts) == 1 else opening + said, said)

    def _placed(self, x: Tensor, first: int) -> Tensor:
        """Tokens ``[..., T, E]`` with the vectors of their places, from ``first`` on."""
        gpt2 = self.language_model.transformer
        placed: Tensor = gpt2.drop(x + gpt2.wpe.weight[first : first + x.shape[-2]])
        return placed

    def _block(
        self, block: Any, x: Tensor, shared: Pair | None, past: Pair | None, packing: Packing = EVERY
    ) -> tuple[Tensor, Pair]:
        """One block of GPT-2 over ``[N, B, T, E]``, or packed; keys and values ``[N, B, H, t + T, F]`` of its words."""
        attention = block.attn
        read: Tensor = attention.c_attn(block.ln_1(x))
        parts: Sequence[Any] = packing.wide(read).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(-3, -2) for part in parts)
        if past is not None:
            key, value = torch.cat([past[0], key], -2), torch.cat([past[1], value], -2)
        scores = causal(query @ key.transpose(-2, -1))
        if shared is not None:
            scores = torch.cat([_folded(query, shared[0].transpose(-2, -1)), scores], -1)
        weights = attention.attn_dropout(torch.softmax(scores * _scale(attention), -1)).to(value.dtype)
        if shared is None:
            seen = weights @ value
        else:
            before, among = weights.split([shared[1].shape[2], key.shape[3]], -1)
            seen = _folded(before, shared[1]) + among @ value
        x = x + attention.resid_dropout(attention.c_proj(packing.packed(seen.transpose(-3, -2).flatten(-2))))
        return x + block.mlp(block.ln_2(x)), (key, value)


def _scale(attention: Any) -> float:
    """What the scores of one layer are multiplied by, as its configuration wants it."""
    scale: float = attention.head_dim**-0.5 if attention.scale_attn_weights else 1.0
    return scale / (attention.layer_idx + 1) if attention.scale_attn_by_inverse_layer_idx else scale


def _folded(x: Tensor, shared: Tensor) -> Tensor:
    """``[N, B, H, T, .]`` times what all B share, ``[N, H, ., .]``, without copying that for each."""
    n, b, h, t, _ = x.shape
    return (x.transpose(1, 2).flatten(2, 3) @ shared).view(n, h, b, t, -1).transpose(1, 2)


def _check(config: Any, prefix: int, mapping: str, max_length: int) -> None:
    if config.model_type != "gpt2" or config.add_cross_attention:
        raise UsageError(f"a GPT-2 without cross-attention is wanted, not {config.model_type}", item="language_model")
    if config.bos_token_id is None or config.eos_token_id is None:
        raise UsageError("the language model's configuration names no start or no end", item="language_model")
    if prefix < 3:
        raise UsageError(f"3 tokens or more, not {prefix}", item="prefix")
    if mapping not in ("queries", "mlp"):
        raise UsageError("no such mapping", item=mapping, remedy="one of queries, mlp")
    if prefix + max_length > config.n_positions:
        raise UsageError(
            f"the language model has {config.n_positions} places, too few for {prefix} tokens and {max_length} words",
            item="language_model",
            remedy="a shorter prefix, shorter sentences or a language model with more places",
        )
