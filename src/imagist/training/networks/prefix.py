"""`prefix-gpt2`: the grid is mapped to the first tokens of a GPT-2, which continues them with the caption.

Shapes: N images, L cells, D channels, B captions or beams, T words, V tokens of the vocabulary, P tokens of the prefix,
M layers, H heads, E width of GPT-2, F = E / H.
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
    """A mapping to prefix tokens, and a GPT-2 that is trained with it or frozen.

    The last token of the prefix replaces the start of the caption, so that GPT-2 reads prefix and words with nothing in
    between, as in the source; a published GPT-2 has learnt to ignore what precedes its ``<|endoftext|>``. This class
    runs the blocks of GPT-2 itself, with the weights and modules of transformers, so that all captions of an image
    share the keys and values of its prefix, and a step is a graph of plain tensors.

    Source: Mokady et al. 2021, "ClipCap: CLIP Prefix for Image Captioning", section 3.

    Args:
        language_model: A ``GPT2LMHeadModel``, see `imagist.training.captioners.gpt2`; a frozen one needs no gradients.
        channels: D.
        cells: L; used by ``queries`` only.
        prefix_length: P, 3 or more.
        mapping: ``queries`` or ``mlp``.
        mapping_layers: Of ``queries``.
        frozen: Keep GPT-2's weights and turn its dropout off; train only the mapping and an offset of the end's logit.
            Without that offset the captions do not end: GPT-2 was trained to continue after a sentence.
        starts: Ids that captions start with, one for each language; by default the language model's own.
        end: Id that ends a caption; by default the language model's own.
        suppressed_tokens: Ids that are never generated; the starts are added, unless one is also the end.
        max_length: Maximum number of tokens in a caption, without the end.
        dropout: Of the mapping, 0 to 1; the language model has its own.
        patch_keep_rate: As `CaptionDecoder`.

    Attributes:
        starts: As the argument.
        start: The first of them.
        end: As the argument.
        suppressed_tokens: Ids that are never generated, sorted.

    Raises:
        UsageError: The language model is no GPT-2, has too few positions, or lacks a start or an end; a setting is out
            of its range.
    """

    at_end: Tensor

    def __init__(
        self,
        language_model: Any,
        channels: int,
        *,
        cells: int = 49,
        prefix_length: int = 10,
        mapping: Literal["queries", "mlp"] = "queries",
        mapping_layers: int = 2,
        frozen: bool = False,
        starts: Sequence[int] = (),
        end: int | None = None,
        suppressed_tokens: Sequence[int] = (),
        max_length: int = 24,
        dropout: float = 0.1,
        patch_keep_rate: float = 1.0,
    ) -> None:
        config = language_model.config
        _check(config, prefix_length, mapping, max_length)
        super().__init__(config.vocab_size, patch_keep_rate)
        self.growing = growing_by_layer(config.n_layer)
        self.starts = tuple(starts) or (int(config.bos_token_id),)
        self.start, self.end = self.starts[0], int(config.eos_token_id if end is None else end)
        self.suppressed_tokens = tuple(sorted({*suppressed_tokens, *self.starts} - {self.end}))
        self.frozen, self.heads = frozen, config.n_head
        self.language_model = language_model.requires_grad_(not frozen)
        for module in [*language_model.modules()]:
            for name, part in module.named_children():
                if isinstance(part, nn.Dropout):
                    setattr(module, name, Dropout(part.p))
        width = config.n_embd
        self.mapping = (
            PooledMapping(channels, prefix_length, width, dropout)
            if mapping == "mlp"
            else QueriesMapping(channels, cells, prefix_length, width, mapping_layers, self.heads, dropout)
        )
        self.mapped_norm = nn.LayerNorm(width)  # initialised to the scale of word embeddings
        nn.init.constant_(self.mapped_norm.weight, float(language_model.transformer.wte.weight.detach().std()))

        self.ending = nn.Linear(width, 1) if frozen else None
        if self.ending is not None:
            nn.init.zeros_(self.ending.weight)
            nn.init.zeros_(self.ending.bias)
            self.register_buffer("at_end", (torch.arange(self.words) == self.end).float(), persistent=False)

    def train(self, mode: bool = True) -> PrefixDecoder:
        """As `nn.Module.train`; a frozen language model stays in eval mode."""
        super().train(mode)
        self.language_model.train(mode and not self.frozen)
        return self

    def begin(self, grid: Tensor) -> tuple[Tensors, Tensors]:
        """The prefix of each image, which all its captions share.

        Memory: ``opening`` ``[N, E]``, the token that replaces the start; keys and values of the rest of the prefix for
        each layer, ``[N, H, P - 2, F]``. State: keys and values of one prefix token for each layer, ``[N, H, 1, F]``.
        """
        tokens = self.mapped_norm(self.mapping(*self.drop_patches(grid)))
        x, pairs = self._placed(tokens[:, None, :-1], 0), []
        for block in self.language_model.transformer.h:
            x, pair = self._block(block, x, None, None)
            pairs.append(pair)
        before = by_layer([(key[:, 0, :, :-1], value[:, 0, :, :-1]) for key, value in pairs], "prefix_")
        last = by_layer([(key[:, 0, :, -1:], value[:, 0, :, -1:]) for key, value in pairs])
        return {"opening": tokens[:, -1]} | before, last

    def step(self, word: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensor | None, Tensors]:
        """As `CaptionDecoder.step`; keys and values ``[N, B, H, t, F]`` grow by one."""
        hidden, pairs = self._read(word[:, :, None], memory, state)
        return self.logits(hidden[:, :, 0]), None, by_layer(pairs)

    def hidden_states(self, grid: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """As `CaptionDecoder.hidden_states`, all words at once; the captions of an image share its prefix."""
        memory, first = self.begin(grid)
        packing = EVERY if where is None else Packing(up_to_last(where))
        return packing.wide(self._read(words, memory, beams_of(first, words.shape[1]), packing)[0]), None

    def logits(self, hidden: Tensor) -> Tensor:
        """As `CaptionDecoder.logits`."""
        logits: Tensor = self.language_model.lm_head(hidden)
        return logits if self.ending is None else logits + self.ending(hidden) * self.at_end

    def _read(
        self, words: Tensor, memory: Tensors, state: Tensors, packing: Packing = EVERY
    ) -> tuple[Tensor, list[Pair]]:
        """Hidden states of words ``[N, B, T]``, packed; keys and values ``[N, B, H, t + T, F]`` of each layer."""
        gpt2, before = self.language_model.transformer, memory["prefix_keys.0"].shape[2]
        embedded = self._opened(gpt2.wte(words), words, memory["opening"][:, None, None])
        x, pairs = packing.packed(self._placed(embedded, before + state["keys.0"].shape[3])), []
        for i, block in enumerate(gpt2.h):
            x, pair = self._block(block, x, of_layer(memory, i, "prefix_"), of_layer(state, i), packing)
            pairs.append(pair)
        return gpt2.ln_f(x), pairs

    def _opened(self, embedded: Tensor, words: Tensor, opening: Tensor) -> Tensor:
        """Embeddings ``[N, B, T, E]``: the opening replaces the start, or is added to it where there are several."""
        first = words == self.start
        for start in self.starts[1:]:
            first = first | (words == start)
        return torch.where(first[..., None], opening if len(self.starts) == 1 else opening + embedded, embedded)

    def _placed(self, x: Tensor, first: int) -> Tensor:
        """Adds position embeddings, from position ``first`` on, to tokens ``[..., T, E]``."""
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
    """The factor of one layer's attention scores, as its configuration defines it."""
    scale: float = attention.head_dim**-0.5 if attention.scale_attn_weights else 1.0
    return scale / (attention.layer_idx + 1) if attention.scale_attn_by_inverse_layer_idx else scale


def _folded(x: Tensor, shared: Tensor) -> Tensor:
    """Multiplies ``[N, B, H, T, .]`` by ``[N, H, ., .]``, which all B share, without copying the latter."""
    n, b, h, t, _ = x.shape
    return (x.transpose(1, 2).flatten(2, 3) @ shared).view(n, h, b, t, -1).transpose(1, 2)


def _check(config: Any, prefix_length: int, mapping: str, max_length: int) -> None:
    if config.model_type != "gpt2" or config.add_cross_attention:
        raise UsageError(f"must be a GPT-2 without cross-attention, not {config.model_type}", item="language_model")
    if config.bos_token_id is None or config.eos_token_id is None:
        raise UsageError("the language model's configuration lacks a start or an end", item="language_model")
    if prefix_length < 3:
        raise UsageError(f"must be 3 or more, not {prefix_length}", item="prefix_length")
    if mapping not in ("queries", "mlp"):
        raise UsageError("no such mapping", item=mapping, remedy="one of queries, mlp")
    if prefix_length + max_length > config.n_positions:
        raise UsageError(
            f"the language model has {config.n_positions} positions, too few for {prefix_length} + {max_length} tokens",
            item="language_model",
            remedy="use a shorter prefix, shorter captions or a language model with more positions",
        )
