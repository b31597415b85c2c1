"""Evaluates a captioner on dev, by the search that its bundle will use.

Shapes: N images, B beams, K candidates, L cells, D channels, V words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

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
from imagist.training.networks.naming import NamingDecoder

BATCH_SIZE = 100  # images
_SUPPRESSED = -1e4  # added to logits; a float16 number, as it is stored in float16


class CaptionModel(nn.Module):
    """Encoder and decoder as one module; where features are cached, the encoder is the identity."""

    def __init__(self, encoder: nn.Module, decoder: CaptionDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, inputs: Tensor, words: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Teacher forcing, as `CaptionDecoder.forward`.

        Inputs ``[N, C]`` are the class probabilities of captions without an image, which a `NamingDecoder` learns too.
        """
        if inputs.ndim == 2:
            hidden = cast(NamingDecoder, self.decoder).hidden_states_of_classes(inputs, words, where)
            return self.decoder.logits(hidden if where is None else hidden[where]), None
        found: tuple[Tensor, Tensor | None] = self.decoder(self.encoder(inputs), words, where)
        return found


@dataclass(frozen=True)
class CaptionEvaluator:
    """Computes CIDEr and BLEU-4 on the whole of dev, for each language.

    Attributes:
        dev: Images with references.
        vocabulary: Of the model.
        search: How captions are decoded.
    """

    dev: Corpus
    vocabulary: Vocabulary
    search: Decoding

    def evaluate(self, model: nn.Module, search: Decoding | None = None) -> dict[str, float]:
        """Evaluates a `CaptionModel`.

        Args:
            model: The model.
            search: How captions are decoded, instead of `search`.

        Returns:
            ``cider`` (0 to 10) and ``bleu_4`` (0 to 1) of the main language; ``cider_de`` and so on of the others.
        """
        metrics: dict[str, float] = {}
        for number, language in enumerate(self.vocabulary.starts):
            references = self.dev.references(language)
            rows = [i for i, texts in enumerate(references) if texts]
            captions = self.captions(model, search or self.search, language)
            pair = [captions[i] for i in rows], [references[i] for i in rows]
            suffix = f"_{language}" if number else ""
            metrics |= {f"cider{suffix}": cider(*pair), f"bleu_4{suffix}": bleu(*pair)[3]}
        return metrics

    def captions(
        self, model: nn.Module, search: Decoding, language: str | None = None, reranker: Reranker | None = None
    ) -> list[str]:
        """A caption of each image of dev; arguments as `generate_captions`."""
        return generate_captions(model, self.dev.features, self.vocabulary, search, language, reranker)


@torch.no_grad()
def generate_captions(
    model: nn.Module,
    features: Features,
    vocabulary: Vocabulary,
    search: Decoding,
    language: str | None = None,
    reranker: Reranker | None = None,
) -> list[str]:
    """Captions N images by a `CaptionModel`, on the device of its parameters.

    Args:
        model: Encoder and decoder; in eval mode afterwards.
        features: Input of the model.
        vocabulary: Of the decoder.
        search: How captions are decoded.
        language: Language of the captions; by default the vocabulary's first.
        reranker: Reranks the hypotheses of the first language.
    """
    is_main = language in (None, next(iter(vocabulary.starts)))
    model.eval()
    device = next(model.parameters()).device
    captions = []
    for start in range(0, len(features), BATCH_SIZE):
        inputs = features.whole(start, min(start + BATCH_SIZE, len(features))).to(device)
        grid = model.encoder(inputs)  # type: ignore[operator]
        beams = TorchBeams(model.decoder, grid, search.beam, vocabulary, language)  # type: ignore[arg-type]
        reranker_score = reranker.reranker_score(grid, vocabulary) if reranker and is_main else None
        found = generate(beams, len(inputs), search, reranker_score=reranker_score)
        captions += [vocabulary.decode(best[0].words) for best in found]
    return captions


class TorchBeams:
    """A torch decoder as `imagist.captioning.decoding.NextWord`.

    Args:
        decoder: The decoder.
        grid: ``[N, L, D]``.
        beams: B.
        vocabulary: Of the decoder.
        language: Language of the captions; by default the vocabulary's first.
    """

    def __init__(
        self, decoder: CaptionDecoder, grid: Tensor, beams: int, vocabulary: Vocabulary, language: str | None = None
    ) -> None:
        self._decoder, self._suppressed_tokens = decoder, vocabulary.suppressed_tokens
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
            self._decoder, word, self.memory, self.state, candidates, self._suppressed_tokens
        )
        maps = None if attention is None else attention.float().cpu().numpy()
        return logprobs.cpu().numpy(), ids.cpu().numpy(), maps

    def keep(self, photos: Ints, beams: Ints) -> None:
        """As the protocol says."""
        rows, order = (torch.from_numpy(np.ascontiguousarray(x)).to(self._device) for x in (photos, beams))
        self.memory = {name: x[rows] for name, x in self.memory.items()}
        self.state = {name: x[rows[:, None], order] for name, x in self.state.items()}


def next_words(
    decoder: CaptionDecoder,
    word: Tensor,
    memory: Tensors,
    state: Tensors,
    candidates: int,
    suppressed_tokens: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor | None, Tensors]:
    """One step of decoding, as it is exported: the K most likely words.

    Args:
        decoder: The decoder.
        word: int64 ``[N, B]``, the words before.
        memory: As `CaptionDecoder.step`.
        state: As `CaptionDecoder.step`.
        candidates: K.
        suppressed_tokens: Words that are never chosen.

    Returns:
        Log-probabilities and ids ``[N, B, K]``, attention ``[N, B, L]`` or None, the new state.
    """
    logits, attention, state = decoder.step(word, memory, state)
    if suppressed_tokens:
        penalty = torch.zeros(logits.shape[-1])
        penalty[list(suppressed_tokens)] = _SUPPRESSED
        logits = logits + penalty.to(logits.device)
    best, ids = torch.log_softmax(logits.float(), -1).topk(candidates, -1)
    return best, ids, attention, state
