"""`attention`: a grid of CNN features, soft attention and an LSTM (Xu et al. 2015, "Show, Attend and Tell"), in ONNX.

Shapes: N photos, B beams, K candidates, L cells of the grid, D channels, H state, T words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imagist.bundle import Bundle
from imagist.decoding import END, START, Decoding, Ints, Sentence, generate, seeds_of
from imagist.encoder import Encoder
from imagist.images.views import covered
from imagist.records import Array, Caption, Hypothesis, Photo


class AttentionCaptioner:
    """Implements `imagist.protocols.Captioner` over a bundle's ``captioner-begin.onnx`` and ``captioner-step.onnx``.

    Of several views of a photo it describes the first, the whole picture.

    Args:
        bundle: The model folder.
        encoder: Gives the grids; shared with the image classifier.
        decoding: How to search.
        threads: Threads within one run.
    """

    def __init__(self, bundle: Bundle, encoder: Encoder, decoding: Decoding, threads: int = 1) -> None:
        self._encoder = encoder
        self._decoding = decoding
        self._words = bundle.lines("vocabulary.txt")
        self._begin = bundle.session("captioner-begin.onnx", threads)
        self._step = bundle.session("captioner-step.onnx", threads)
        self.id = f"{bundle.name}-{bundle.version}/attention({decoding},views={encoder.views})"

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order, with attention maps over the picture (padding is cut off)."""
        if not photos:
            return []
        grids = np.stack([views[0] for views in self._encoder.grids(photos)])
        return [
            self._caption(photo, found)
            for photo, found in zip(photos, self.sentences(grids, seeds_of(photos)), strict=True)
        ]

    def sentences(self, grids: Array, seeds: Sequence[int] | None = None) -> list[list[Sentence]]:
        """The n best sentences from float32 ``[N, L, D]``."""
        return generate(_Beams(self, grids), len(grids), self._decoding, seeds)

    def _caption(self, photo: Photo, found: list[Sentence]) -> Caption:
        texts = [tuple(self._words[i] for i in sentence.words) for sentence in found]
        looked = found[0].attention
        assert looked is not None
        side = round(looked.shape[1] ** 0.5)
        rows, columns = covered(self._encoder.views, photo.pixels, side)
        maps = looked.reshape(-1, side, side)[:, rows, columns]
        return Caption(
            text=" ".join(texts[0]),
            logprob=found[0].logprob,
            tokens=texts[0],
            nbest=tuple(Hypothesis(" ".join(t), s.logprob) for t, s in zip(texts, found, strict=True)),
            attention=maps / maps.sum((1, 2), keepdims=True),
        )

    def _first(self, grids: Array) -> list[Array]:
        return self._begin.run(None, {"grid": grids})  # type: ignore[no-any-return]

    def _next(self, words: Ints, candidates: int, values: Array, keys: Array, state: Array, cell: Array) -> list[Array]:
        inputs = {"word": words, "values": values, "keys": keys, "state": state, "cell": cell}
        return self._step.run(None, inputs | {"candidates": np.array([candidates])})  # type: ignore[no-any-return]


class _Beams:
    """The model's states over one batch: `imagist.decoding.NextWord`."""

    start, end = START, END

    def __init__(self, captioner: AttentionCaptioner, grids: Array) -> None:
        self._captioner = captioner
        self.words = len(captioner._words)
        self._values, self._keys, state, cell = captioner._first(grids)
        beams = captioner._decoding.beam
        self._state, self._cell = (np.repeat(x[:, None], beams, 1) for x in (state, cell))

    def step(self, words: Ints, candidates: int) -> tuple[Array, Ints, Array]:
        logprobs, ids, attention, self._state, self._cell = self._captioner._next(
            words, candidates, self._values, self._keys, self._state, self._cell
        )
        return logprobs, ids.astype(np.int64, copy=False), attention

    def keep(self, photos: Ints, beams: Ints) -> None:
        if len(photos) < len(self._values):
            self._values, self._keys = self._values[photos], self._keys[photos]
        self._state, self._cell = (x[photos[:, None], beams] for x in (self._state, self._cell))


def from_bundle(bundle: Bundle, encoder: Encoder, decoding: Decoding, threads: int = 1) -> AttentionCaptioner:
    """The registry's door."""
    return AttentionCaptioner(bundle, encoder, decoding, threads)
