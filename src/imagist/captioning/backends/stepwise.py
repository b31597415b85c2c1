"""`attention`, `lstm`, `transformer`, `prefix-gpt2`: captioners that are trained here, run by ONNX Runtime.

A captioner consists of two ONNX graphs, or three. ``begin.onnx`` turns an image's grid into tensors. ``step.onnx``
takes these and a word, and returns the log-probabilities of the next words, the attention if any, and updated tensors
(``new_`` before the old name). The updated tensors are the state of a beam; the others are the memory of an image.
``concepts.onnx`` returns the expected share of references that contain each phrase of ``concepts.txt``; these rerank
hypotheses (see `imagist.captioning.reranking.concepts`). With ``hedging.toml`` it says less where its encoder is not
sure (see `imagist.captioning.hedging`).

Shapes: N images, B beams, K candidates, L cells of the grid, D channels, T words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imagist.arrays import AnyArray, Array, Floats, Ints
from imagist.bundle import SPACE, Folder, open_part, write_part
from imagist.captioning.decoding import END, START, RerankerScore, Sentence, generate, seeds_of
from imagist.captioning.decoding import FIELDS as DECODING
from imagist.captioning.hedging import TABLE, hedging_of
from imagist.captioning.options import CaptionOptions
from imagist.captioning.reranking import concepts
from imagist.captioning.vocabulary import vocabulary_of
from imagist.errors import UsageError
from imagist.images.encoder import Encoder, encoder_of
from imagist.images.views import covered
from imagist.records import Caption, Hypothesis, Photo

Tensors = dict[str, AnyArray]
_NEW = "new_"
BEGUN = 8  # images at a time: the outputs of a layer then stay in the processor's cache


class StepwiseCaptioner:
    """Implements `imagist.protocols.Captioner` over the graphs of a part's folder.

    It describes the first of an image's views, which is the whole image.

    Args:
        folder: Of the part.
        options: How to choose words, and the language.
        encoder: Computes the grids; shared with the image classifier where there is one.
        hedging: Say less where the encoder is not sure, if the part knows how to.

    Raises:
        UsageError: The model does not write that language.
    """

    concurrent = True
    reads_grids = True

    def __init__(self, folder: Folder, options: CaptionOptions, encoder: Encoder, hedging: bool = True) -> None:
        card = folder.card
        self.encoder = encoder
        self._folder = folder
        self._decoding = options.decoding
        lines = folder.lines("vocabulary.txt")
        self._vocabulary = vocabulary_of(lines, card.get("tokens", "words"))
        self._begin = folder.session("begin.onnx", options.threads)
        self._step = folder.session("step.onnx", options.threads)
        self._first_names = [part.name for part in self._begin.get_outputs()]
        self._names = [part.name for part in self._step.get_outputs()]
        self.end = int(card.get("end", END))
        main = next(iter(_starts(card)))
        language = options.language or main
        self.start = _start(_starts(card), language, str(folder.path))
        self.words = len(self._vocabulary)
        settings = f"{options.decoding},views={encoder.views},language={language}"
        if SPACE in card:  # else the card, and with it the version below, names the encoder
            settings += f",encoder={encoder.id}"
        self._concepts = None
        if options.decoding.mbr and "concepts" in card and language == main:
            self._concepts = concepts.from_lines(folder.lines("concepts.txt"), card["concepts"])
            self._detector = folder.session("concepts.onnx", options.threads)
            settings += f",concepts={self._concepts.weight:g}^{self._concepts.power:g}"
        self._hedging = None
        if TABLE in folder.files and encoder.has_classes and language == main and not options.decoding.mbr:
            self._hedging = hedging_of(folder, lines) if hedging else None
            settings += "" if hedging else ",hedging=no"
        undecided = {key: value for key, value in card.items() if key not in DECODING}
        self.id = f"{folder.kind}-{Folder(folder.path, undecided).version}({settings})"

    def save(self, folder: Path) -> None:
        """Writes graphs, words and a card with the decoding; the encoder is a part of the model for itself."""
        part = self._folder
        card = {key: value for key, value in part.card.items() if key not in ("kind", "files", *DECODING)}
        files = {name.replace(".", "__"): part.read(name) for name in part.files}
        write_part(folder, part.kind, card | self._decoding.on_card(), None, **files)

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order, with attention maps over the image without padding."""
        if not photos:
            return []
        grids = np.stack([views[0] for views in self.encoder.grids(photos)])
        found = self.sentences(grids, seeds_of(photos) if self._decoding.top_p else None)
        return [self._caption(photo, sentences) for photo, sentences in zip(photos, found, strict=True)]

    def sentences(self, grids: Array, seeds: Sequence[int] | None = None) -> list[list[Sentence]]:
        """The n best sentences from float32 ``[N, L, D]``."""
        decoding, hedging = self._decoding, self._hedging
        if hedging is None:
            return generate(_Beams(self, grids), len(grids), decoding, seeds, self._reranker_score(grids))
        found = generate(_Beams(self, grids), len(grids), decoding.returning(decoding.beam), seeds)
        classes = self.encoder.classes(grids)
        return hedging.hedged(found, grids, classes, decoding.length_penalty, decoding.nbest)

    def _reranker_score(self, grids: Array) -> RerankerScore | None:
        if (known := self._concepts) is None:
            return None
        (shares,) = self._detector.run(None, {"grid": grids})

        def score(image: int, sentences: Sequence[Ints]) -> Floats:
            return known.reranker_score(map(self._vocabulary.text, sentences), shares[image])

        return score

    def first(self, grids: Array) -> Tensors:
        """Memory and first state of N images, by name."""
        parts = [self._begin.run(None, {"grid": grids[i : i + BEGUN]}) for i in range(0, len(grids), BEGUN)]
        return {name: np.concatenate(x) for name, *x in zip(self._first_names, *parts, strict=True)}

    def next(self, words: Ints, candidates: int, given: Tensors) -> tuple[Tensors, Tensors]:
        """Log-probabilities, ids and attention of the next words, and the new state; both by name."""
        inputs = {"word": words, "candidates": np.array([candidates])} | given
        found = dict(zip(self._names, self._step.run(None, inputs), strict=True))
        new = {name.removeprefix(_NEW): found.pop(name) for name in self._names if name.startswith(_NEW)}
        return found, new

    @property
    def state(self) -> frozenset[str]:
        """Names of the tensors that each beam has of its own."""
        return frozenset(name.removeprefix(_NEW) for name in self._names if name.startswith(_NEW))

    @property
    def beams(self) -> int:
        """B."""
        return self._decoding.beam

    def _caption(self, photo: Photo, found: list[Sentence]) -> Caption:
        texts = [self._vocabulary.text(sentence.words) for sentence in found]
        attention = found[0].attention
        return Caption(
            text=texts[0],
            logprob=found[0].logprob,
            tokens=self._vocabulary.tokens(found[0].words),
            nbest=tuple(Hypothesis(text, s.logprob) for text, s in zip(texts, found, strict=True)),
            attention=None if attention is None else self._maps(photo, attention),
        )

    def _maps(self, photo: Photo, attention: Array) -> Array:
        side = round(attention.shape[1] ** 0.5)
        rows, columns = covered(self.encoder.views, photo.pixels, side)
        maps = attention.reshape(-1, side, side)[:, rows, columns]
        return np.asarray(maps / maps.sum((1, 2), keepdims=True), np.float32)


class _Beams:
    """The model's tensors over one batch: `imagist.captioning.decoding.NextWord`.

    The memory is the largest of them. When images leave, the last ones move into their places, so that it is not copied
    as a whole: image i of the search is at ``_places[i]``.
    """

    def __init__(self, captioner: StepwiseCaptioner, grids: Array) -> None:
        self._captioner = captioner
        self.start, self.end, self.words = captioner.start, captioner.end, captioner.words
        given = captioner.first(grids)
        self._state = {name: given.pop(name)[:, None] for name in captioner.state}
        self._memory = given
        self._places = np.arange(len(grids))
        self._width = 1  # beams that differ: at first all are equal, so one is computed

    def step(self, words: Ints, candidates: int) -> tuple[Array, Ints, Array | None]:
        at = np.argsort(self._places)
        found, self._state = self._captioner.next(words[at, : self._width], candidates, self._memory | self._state)
        n, b = words.shape
        mine = {name: np.broadcast_to(x[self._places], (n, b, *x.shape[2:])) for name, x in found.items()}
        return mine["logprobs"], mine["ids"].astype(np.int64, copy=False), mine.get("attention")

    def keep(self, images: Ints, beams: Ints, /) -> None:
        left, places = len(images), self._places[images]
        moved = places >= left
        holes = np.setdiff1d(np.arange(left), places)
        if len(holes):
            for x in self._memory.values():
                x[holes] = x[places[moved]]
        self._memory = {name: x[:left] for name, x in self._memory.items()}
        self._places = places.copy()
        self._places[moved] = holes
        rows = places[:, None] * self._width + (beams if self._width > 1 else np.zeros_like(beams))
        rows = rows[np.argsort(self._places)]
        self._state = {name: x.reshape(-1, *x.shape[2:]).take(rows, 0) for name, x in self._state.items()}
        self._width = beams.shape[1]


def _starts(card: Mapping[str, Any]) -> Mapping[str, int]:
    """For each language the token that its sentences start with; the main language first."""
    found: Mapping[str, int] = card.get("languages", {"en": START})
    return found


def _start(starts: Mapping[str, int], language: str, name: str) -> int:
    if language not in starts:
        raise UsageError(f"{name} does not write {language!r}", item="language", remedy=f"one of {', '.join(starts)}")
    return int(starts[language])


def load(model: str, options: CaptionOptions, *, hedging: bool = True) -> StepwiseCaptioner:
    """Loads the captioner of a model, by its name or folder, or of a part's folder.

    Args:
        model: The model.
        options: What a user asked for.
        hedging: Say less where the encoder is not sure, if the captioner knows how to.

    Raises:
        BundleError: It cannot be used.
        UsageError: A language that the model does not write.
    """
    folder = open_part(model, "captioner")
    return StepwiseCaptioner(folder, options, encoder_of(folder, options), hedging)
