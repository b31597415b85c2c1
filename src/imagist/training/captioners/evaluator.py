"""The torch decoder under the search that the bundle will use, and what dev says of its captions.

Shapes: N photos, B beams, K candidates, L cells, D channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from imagist.arrays import Array, Ints
from imagist.captioning.decoding import Decoding, generate
from imagist.metrics.captions import bleu
from imagist.metrics.cider import cider
from imagist.training.captioners.concepts import Reranker
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.encoders.features import Features
from imagist.training.networks.decoder import CaptionDecoder, Tensors, beams_of

AT_ONCE = 100  # photos


class CaptionModel(nn.Module):
    """Encoder and decoder as one; the encoder passes grids on where they are cached."""

    def __init__(self, encoder: nn.Module, decoder: CaptionDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, given: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing, as `CaptionDecoder.forward`."""
        found: tuple[Tensor, Tensor | None] = self.decoder(self.encoder(given), words, where)
        return found


@dataclass(frozen=True)
class Judge:
    """CIDEr and BLEU-4 on the whole of dev by the search of the bundle, for each language.

    Attributes:
        dev: Photos with references.
        vocabulary: Of the model.
        search: How to caption.
    """

    dev: Corpus
    vocabulary: Vocabulary
    search: Decoding

    def figures(self, model: nn.Module, search: Decoding | None = None) -> dict[str, float]:
        """``cider`` (0..10) and ``bleu_4`` (0..1) of the main language, and ``cider_de`` and so on of further ones."""
        found: dict[str, float] = {}
        for number, language in enumerate(self.vocabulary.starts):
            references = self.dev.references(language)
            with_any = [i for i, of in enumerate(references) if of]
            said = self.captions(model, search or self.search, language)
            said, kept = [said[i] for i in with_any], [references[i] for i in with_any]
            mark = f"_{language}" if number else ""
            found |= {f"cider{mark}": cider(said, kept), f"bleu_4{mark}": bleu(said, kept)[3]}
        return found

    def captions(
        self, model: nn.Module, search: Decoding, language: str | None = None, reranker: Reranker | None = None
    ) -> list[str]:
        """A caption for each photo of dev."""
        return captions_of(model, self.dev.features, self.vocabulary, search, language, reranker)


@torch.no_grad()
def captions_of(
    model: nn.Module,
    features: Features,
    vocabulary: Vocabulary,
    search: Decoding,
    language: str | None = None,
    reranker: Reranker | None = None,
) -> list[str]:
    """Captions of N photos by a `CaptionModel`, on whatever device it lies.

    Args:
        model: Encoder and decoder.
        features: What they are given.
        vocabulary: Of the decoder.
        search: How to caption.
        language: Of the captions; None is the vocabulary's first.
        reranker: Reranks hypotheses in that first language.
    """
    main = language in (None, next(iter(vocabulary.starts)))
    model.eval()
    device = next(model.parameters()).device
    captions = []
    for start in range(0, len(features), AT_ONCE):
        given = features.whole(start, min(start + AT_ONCE, len(features))).to(device)
        grid = model.encoder(given)  # type: ignore[operator]
        beams = TorchBeams(model.decoder, grid, search.beam, vocabulary, language)  # type: ignore[arg-type]
        reranker_score = reranker.reranker_score(grid, vocabulary) if reranker and main else None
        found = generate(beams, len(given), search, reranker_score=reranker_score)
        captions += [vocabulary.decode(best[0].words) for best in found]
    return captions


class TorchBeams:
    """The torch decoder as `imagist.captioning.decoding.NextWord`."""

    def __init__(
        self, decoder: CaptionDecoder, grid: Tensor, beams: int, vocabulary: Vocabulary, language: str | None = None
    ) -> None:
        self._decoder, self._banned = decoder, vocabulary.banned
        self.words, self.end = decoder.words, vocabulary.end
        self.start = vocabulary.starts[language or next(iter(vocabulary.starts))]
        with torch.no_grad():
            self.memory, first = decoder.begin(grid)
        self.state, self._device = beams_of(first, beams), grid.device

    @torch.no_grad()
    def step(self, words: Ints, candidates: int) -> tuple[Array, Ints, Array | None]:
        """As the protocol says."""
        word = torch.from_numpy(words).to(self._device)
        logprobs, ids, attention, self.state = next_words(
            self._decoder, word, self.memory, self.state, candidates, self._banned
        )
        looked = None if attention is None else attention.float().cpu().numpy()
        return logprobs.cpu().numpy(), ids.cpu().numpy(), looked

    def keep(self, photos: Ints, beams: Ints) -> None:
        """As the protocol says."""
        rows, order = (torch.from_numpy(np.ascontiguousarray(x)).to(self._device) for x in (photos, beams))
        self.memory = {name: x[rows] for name, x in self.memory.items()}
        self.state = {name: x[rows[:, None], order] for name, x in self.state.items()}


def next_words(
    decoder: CaptionDecoder, word: Tensor, memory: Tensors, state: Tensors, candidates: int, banned: Sequence[int]
) -> tuple[Tensor, Tensor, Tensor | None, Tensors]:
    """One step of decoding as it is exported: the K best words, never a banned one.

    Returns:
        Log-probabilities and ids ``[N, B, K]``, attention ``[N, B, L]`` or None, the new state.
    """
    logits, attention, state = decoder.step(word, memory, state)
    if banned:
        refused = torch.zeros(logits.shape[-1])
        refused[list(banned)] = -1e4  # within float16, in which it is stored
        logits = logits + refused.to(logits.device)
    best, ids = torch.log_softmax(logits.float(), -1).topk(candidates, -1)
    return best, ids, attention, state
