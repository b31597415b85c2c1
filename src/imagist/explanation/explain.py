"""Explains predictions by leaving out words of the caption and parts of the image.

Shapes: N photos; T words of a caption; n content words; G cells a side of the grid; h, w cells of an attention map;
C categories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from imagist.arrays import Array, Bools, Floats
from imagist.captioning.decoding import seeds_of
from imagist.explanation.batches import Batches
from imagist.explanation.hiding import Hiding, HidingFromEncoder, hiding
from imagist.explanation.options import ExplainOptions
from imagist.explanation.record import Explanation, Region, Word
from imagist.explanation.regions import attended, moved
from imagist.explanation.words import content_words, without, words_of
from imagist.pipeline import Pipeline
from imagist.records import Caption, Photo, Prediction


def explain(pipeline: Pipeline, photos: Sequence[Photo], options: ExplainOptions | None = None) -> list[Explanation]:
    """One explanation a photo, in order, independent of the other photos.

    Each content word is left out of the caption. The cells that it attends to most are hidden, and the masked image is
    captioned and classified again; as a control, the same number of cells is hidden elsewhere. Each cell of a grid is
    hidden from the image classifier. A caption of n content words needs n * (1 + moves) + G * G masked images and n
    sentences, which are processed in batches; see `imagist.explanation.hiding` for what is saved of these.

    Args:
        pipeline: Its predictions are explained. Regions are meaningless if its captioner replays recorded captions.
        photos: N.
        options: Grid, regions, fill; the defaults where None.
    """
    if not photos:
        return []
    chosen = options or ExplainOptions()
    batches, way = Batches(pipeline, chosen.batch_size), hiding(pipeline, chosen)
    predictions = list(batches.predictions(photos))
    plans = [
        _Plan(photo, prediction, chosen, seed, way)
        for photo, prediction, seed in zip(photos, predictions, seeds_of(photos), strict=True)
    ]
    whole = batches.image_rows(photos)
    shorter = batches.text_rows(text for plan in plans for text in plan.texts())
    attributed = [_attributions(batches, plans, own) for own in (False, True)]
    bare = Batches(replace(pipeline, matcher=None), chosen.batch_size)  # nobody asks how sure their captions are
    masked = bare.predictions(copy for plan in plans for copy in plan.regions())
    cell_scores = batches.of_images(copy for plan in plans for copy in way.cells(plan.photo, chosen.grid))
    left_out = isinstance(way, HidingFromEncoder) and way.leaves_out(chosen.grid)
    explained, begin = [], 0
    for number, plan in enumerate(plans):
        end = begin + len(plan.words)
        text = shorter[begin:end]
        image = np.repeat(whole[number : number + 1], len(text), 0)
        words = plan.finished(pipeline.of_text(text), pipeline.joint(image, text), masked)
        count = chosen.grid * chosen.grid
        cells = cell_scores[number * count : (number + 1) * count].reshape(chosen.grid, chosen.grid, -1)
        own = dict(pair for each in attributed if each for pair in [each[number]])
        explained.append(Explanation(plan.prediction, plan.category, batches.weight, words, own, cells, left_out))
        begin = end
    return explained


@dataclass(frozen=True, eq=False)
class _Plan:
    """What to leave out of one photo and its caption."""

    photo: Photo
    prediction: Prediction
    options: ExplainOptions
    seed: int
    hiding: Hiding

    @property
    def category(self) -> str:
        return self.prediction.top(1)[0][0]

    @property
    def caption(self) -> Caption:
        return self.prediction.caption

    @property
    def words(self) -> Mapping[str, tuple[int, ...]]:
        return content_words(self.caption)

    def texts(self) -> Iterator[str]:
        """The caption without each content word."""
        return (without(self.caption, positions) for positions in self.words.values())

    def attention(self) -> list[Array] | None:
        """The attention of each content word, float32 ``[h, w]``: the mean over its positions."""
        maps = self.caption.attention
        if maps is None or len(maps) != len(words_of(self.caption)):
            return None
        return [maps[list(positions)].mean(0) for positions in self.words.values()]

    def regions(self) -> Iterator[Photo]:
        """The photo without each word's region, each followed by the photo without that region's moved copies."""
        random = np.random.default_rng([self.options.seed, self.seed])
        regions = (attended(attention, self.options.mass) for attention in self.attention() or ())
        return self.copies([mask for cells in regions for mask in (cells, *moved(cells, self.options.moves, random))])

    def copies(self, masks: Sequence[Bools] | Bools) -> Iterator[Photo]:
        """The photo under each mask."""
        return self.hiding.copies(self.photo, masks)

    def finished(self, text: Array, joint: Array, masked: Iterator[Prediction]) -> tuple[Word, ...]:
        """The words, from the scores without each, ``[n, C]``; takes its own predictions from ``masked``."""
        maps: Sequence[Array | None] = self.attention() or [None] * len(self.words)
        similar = {phrase.text.lower(): phrase.similarity for phrase in self.caption.phrases}
        return tuple(
            Word(
                text,
                positions,
                alone,
                both,
                None if attention is None else self._region(attention, masked),
                similar.get(text.lower()),
            )
            for (text, positions), alone, both, attention in zip(self.words.items(), text, joint, maps, strict=True)
        )

    def _region(self, attention: Array, masked: Iterator[Prediction]) -> Region:
        removed, *elsewhere = (next(masked) for _ in range(1 + self.options.moves))
        return Region(attention, attended(attention, self.options.mass), removed, tuple(elsewhere))


def _attributions(batches: Batches, plans: Sequence[_Plan], own: bool) -> list[tuple[str, Floats]] | None:
    """For each photo its category, or the text classifier's own, and the attributions ``[n]`` of its words."""
    categories = [plan.prediction.text_label if own else plan.category for plan in plans]
    found = batches.attributions([plan.caption.text for plan in plans], categories)
    if found is None:
        return None
    return [
        (category, np.array([_total(totals, word) for word in plan.words], np.float64))
        for plan, category, totals in zip(plans, categories, found, strict=True)
    ]


def _total(totals: Mapping[str, float], word: str) -> float:
    """The attribution of a word; of a phrase that of all its words."""
    own = totals.get(word.lower())
    return sum(totals.get(each, 0.0) for each in word.lower().split()) if own is None else own
