"""A language model of transformers as `imagist.captioning.decoding.NextWord`: a cache for each beam, suppressed tokens.

Shapes: N photos, of which n are still open; B beams; R = n * B rows; K candidates; V words; P cells that are looked at;
D their width. A "word" is a piece of one, as the model's own tokenizer cuts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from imagist.arrays import Array, Ints

transformers: Any = import_module("transformers")


@dataclass(eq=False)
class Sight:
    """What a language model knows after it has looked at photos and said the same first words of each.

    Attributes:
        logits: Of the next word, ``[N, V]``.
        cache: Keys and values of what was said: a transformers ``DynamicCache``, or an ``EncoderDecoderCache`` where
            what is looked at has its own.
        memory: What every word looks at, ``[N, P, D]``; None where the cache holds that too.
    """

    logits: Tensor
    cache: Any
    memory: Tensor | None = None


class LanguageModel(Protocol):
    """A network that tells of images."""

    def look(self, pixels: Tensor) -> Sight:
        """Images ``[N, 3, H, W]``, as the model's image processor makes them."""
        ...

    def say(self, words: Tensor, cache: Any, memory: Tensor | None) -> Tensor:
        """Logits ``[R, V]`` after one more word a row ``[R, 1]``; the cache grows by it."""
        ...


def empty_cache(*, cross: bool) -> Any:
    """A cache to begin with; ``cross``: what is looked at has its own."""
    own = transformers.DynamicCache()
    return transformers.EncoderDecoderCache(own, transformers.DynamicCache()) if cross else own


def for_each(pixels: Tensor, words: list[int]) -> Tensor:
    """The same words for each of N images, int64 ``[N, T]``."""
    return torch.tensor([words], device=pixels.device).expand(len(pixels), -1)


class Vocabulary:
    """Which words a model may say, and when.

    Args:
        tokenizer: The model's.
        size: V, of the logits; may be more than the tokenizer knows.
        start: The last of the words that come before the caption.
        ends: The word that ends a caption, or several, whose probabilities are added up.
        shortest: Fewest words of a caption, >= 1.
    """

    def __init__(self, tokenizer: Any, size: int, *, start: int, ends: int | list[int], shortest: int = 1) -> None:
        self.ends = [ends] if isinstance(ends, int) else [*ends]
        self.start, self.size, self.shortest = start, size, shortest
        self._tokenizer = tokenizer
        known = min(len(tokenizer), size)
        said = tokenizer.batch_decode([[word] for word in range(known)], skip_special_tokens=True)
        self.blank = torch.tensor([not text.strip() for text in said] + [True] * (size - known))
        suppressed_tokens = {word for word in tokenizer.all_special_ids if word < size} | set(range(known, size))
        self.suppressed_tokens = sorted((suppressed_tokens - {self.ends[0]}) | set(self.ends[1:]))

    def text(self, words: Ints) -> str:
        """What the words ``[T]`` say, with single spaces."""
        return " ".join(str(self._tokenizer.decode(words.tolist(), skip_special_tokens=True)).split())


class Beams:
    """The model's states over one batch.

    Args:
        model: The language model.
        vocabulary: What it may say.
        pixels: Images ``[N, 3, H, W]`` on the model's device.
        beams: B.
    """

    def __init__(self, model: LanguageModel, vocabulary: Vocabulary, pixels: Tensor, beams: int) -> None:
        self._model, self._vocabulary, self._beams = model, vocabulary, beams
        self.start, self.end, self.words = vocabulary.start, vocabulary.ends[0], vocabulary.size
        with torch.inference_mode():
            sight = model.look(pixels)
        self._first: Tensor | None = sight.logits
        self._cache, self._memory = sight.cache, sight.memory
        self._blank = vocabulary.blank.to(pixels.device)
        self._spoken = torch.zeros(len(pixels) * beams, dtype=torch.bool, device=pixels.device)
        self._length = 0

    @torch.inference_mode()
    def step(self, words: Ints, candidates: int) -> tuple[Array, Ints, None]:
        """As `NextWord.step`; before the first word the beams of a photo are one."""
        if self._first is not None:
            logits, spoken = self._first, self._spoken[:: self._beams]
        else:
            rows = torch.from_numpy(words.reshape(-1, 1)).to(self._spoken.device)
            self._spoken |= ~self._blank[rows[:, 0]]
            logits, spoken = self._model.say(rows, self._cache, self._memory), self._spoken
        logprobs = self._allowed(torch.log_softmax(logits.float(), -1), spoken)
        best, ids = logprobs.topk(candidates, dim=-1)
        shape = (*words.shape, candidates)
        several = 1 if self._first is None else self._beams
        return (
            best.repeat_interleave(several, 0).reshape(shape).cpu().numpy(),
            ids.repeat_interleave(several, 0).reshape(shape).cpu().numpy(),
            None,
        )

    def keep(self, photos: Ints, beams: Ints) -> None:
        """As `NextWord.keep`. What is looked at is the same for all beams of a photo, and moved only with photos."""
        opening = self._first is not None
        fewer = opening or len(photos) * self._beams < len(self._spoken)
        rows = torch.from_numpy((photos[:, None] * self._beams + beams).ravel()).to(self._spoken.device)
        self._spoken = self._spoken[rows]
        if opening:
            rows = torch.from_numpy(np.repeat(photos, self._beams)).to(self._spoken.device)
        own = getattr(self._cache, "self_attention_cache", self._cache)
        own.batch_select_indices(rows)
        if fewer and own is not self._cache:
            self._cache.cross_attention_cache.batch_select_indices(rows)
        if fewer and self._memory is not None:
            self._memory = self._memory[rows]
        self._first = None
        self._length += 1

    def _allowed(self, logprobs: Tensor, spoken: Tensor) -> Tensor:
        """Log-probabilities ``[R, V]``, -inf for what may not be said: special words, an end before there is text."""
        logprobs[:, self.end] = logprobs[:, self._vocabulary.ends].logsumexp(-1)
        logprobs[:, self._vocabulary.suppressed_tokens] = -torch.inf
        early = ~spoken if self._length >= self._vocabulary.shortest else torch.ones_like(spoken)
        logprobs[early, self.end] = -torch.inf
        return logprobs
