"""The torch decoder under the search that the bundle will use, and what dev says of its captions.

Shapes: N photos, B beams, K candidates, L cells, D channels, H state, A attention.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from imagist.decoding import END, START, Decoding, Ints, generate
from imagist.metrics.captions import bleu
from imagist.metrics.cider import cider
from imagist.metrics.ptb import tokenize
from imagist.records import Array
from imagist.training.captioning import UNKNOWN, Captioned, Sentences
from imagist.training.networks import Decoder


class Judge:
    """CIDEr and BLEU-4 on the whole of dev by beam search, as the bundle will decode."""

    def __init__(self, dev: Captioned, sentences: Sentences) -> None:
        self._grids = dev.grids[:, 0]
        self._references = [[" ".join(tokenize(s)) for s in of] for of in dev.photos.captions]
        self._sentences = sentences

    def figures(self, decoder: nn.Module, decoding: Decoding | None = None) -> dict[str, float]:
        """``cider`` (0..10) and ``bleu_4`` (0..1)."""
        captions = self.captions(decoder, decoding or Decoding())
        return {"cider": cider(captions, self._references), "bleu_4": bleu(captions, self._references)[3]}

    def captions(self, decoder: nn.Module, decoding: Decoding) -> list[str]:
        """A caption for each photograph of dev."""
        return captions_of(decoder, self._grids, self._sentences, decoding)


def captions_of(decoder: nn.Module, grids: NDArray[np.float16], sentences: Sentences, decoding: Decoding) -> list[str]:
    """Captions by beam search from float16 ``[N, L, D]``."""
    decoder.eval()
    captions = []
    for start in range(0, len(grids), 100):
        part = torch.from_numpy(grids[start : start + 100].astype(np.float32))
        found = generate(TorchBeams(decoder, part, decoding.beam), len(part), decoding)
        captions += [sentences.decode(best[0].words) for best in found]
    return captions


class TorchBeams:
    """The torch decoder as `imagist.decoding.NextWord`."""

    start, end = START, END

    def __init__(self, decoder: nn.Module, grid: Tensor, beams: int) -> None:
        self._decoder: Decoder = decoder  # type: ignore[assignment]
        self.words = self._decoder.bias.numel()
        with torch.no_grad():
            self._values, self._keys, state, cell = self._decoder.begin(grid)
        self._state, self._cell = (x[:, None].repeat(1, beams, 1) for x in (state, cell))

    @torch.no_grad()
    def step(self, words: Ints, candidates: int) -> tuple[Array, Ints, Array]:
        """As the protocol says."""
        logprobs, ids, attention, self._state, self._cell = next_words(
            self._decoder, torch.from_numpy(words), self._values, self._keys, self._state, self._cell, candidates
        )
        return logprobs.numpy(), ids.numpy(), attention.numpy()

    def keep(self, photos: Ints, beams: Ints) -> None:
        """As the protocol says."""
        rows, order = torch.from_numpy(photos), torch.from_numpy(beams)
        self._values, self._keys = self._values[rows], self._keys[rows]
        self._state, self._cell = (x[rows[:, None], order] for x in (self._state, self._cell))


def next_words(
    decoder: Decoder, word: Tensor, values: Tensor, keys: Tensor, state: Tensor, cell: Tensor, candidates: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """One step of decoding as it is exported: the K best words, never the start or the unknown one.

    Returns:
        Log-probabilities and ids ``[N, B, K]``, attention ``[N, B, L]``, state and cell ``[N, B, H]``.
    """
    logits, attention, state, cell = decoder.step(word, values, keys, state, cell)
    banned = torch.zeros(logits.shape[-1])
    banned[[START, UNKNOWN]] = -1e4  # within float16, in which it is stored
    best, ids = torch.log_softmax(logits.float() + banned, -1).topk(candidates, -1)
    return best, ids, attention, state, cell
