"""Scores captions by image-text similarity, and chooses among an image's hypotheses the one nearest to it.

Hessel et al. 2021, "CLIPScore: A Reference-free Evaluation Metric for Image Captioning": the cosine of CLIP's
embeddings agrees with people about captions as well as metrics that need references.

Shapes: N photos; K hypotheses of one; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from imagist.arrays import AnyArray, Floats
from imagist.errors import UsageError
from imagist.protocols import Captioner, Matcher
from imagist.records import Caption, Hypothesis, Photo

CLIP_SCALE = 2.5
"""What a positive cosine is multiplied by in CLIPScore; negative ones are 0."""


class MatchedCaptioner:
    """Implements `imagist.protocols.Captioner` around another one: each caption gets its cosine with the image.

    Args:
        captioner: Writes the captions.
        matcher: Compares them with the image.
        rerank: Whether to put the hypothesis nearest to the image first; else their order stays.
        nbest: Most hypotheses that are kept; the captioner may return more to choose from.
    """

    def __init__(self, captioner: Captioner, matcher: Matcher, *, rerank: bool = True, nbest: int = 1) -> None:
        self.captioner, self.matcher = captioner, matcher
        self.encoder = getattr(captioner, "encoder", None)
        self._rerank, self._nbest = rerank, nbest

    @property
    def id(self) -> str:
        """Changes with captioner, matcher and what is done with the hypotheses."""
        how = "reranked" if self._rerank else "scored"
        return f"{self.captioner.id}+{how}({self.matcher.id},nbest={self._nbest})"

    @property
    def concurrent(self) -> bool:
        """Whether several threads may call it at once: where captioner and matcher allow it."""
        return self.captioner.concurrent and self.matcher.concurrent

    def save(self, folder: Path) -> None:
        """Not possible: it is made from two parts whenever it is opened.

        Raises:
            UsageError: Always.
        """
        raise UsageError("a reranked captioner cannot be saved", item=self.id, remedy="save the captioner alone")

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order.

        A caption that is not the captioner's own choice has no attention, and its tokens are its words.
        """
        if not photos:
            return []
        captions = self.captioner.caption(photos)
        images = self.matcher.images(photos)
        hypotheses = [self._hypotheses(caption) for caption in captions]
        vectors = self.matcher.texts([each.text for some in hypotheses for each in some])
        starts = np.cumsum([0, *map(len, hypotheses)])
        return [
            self._chosen(caption, some, vectors[start : start + len(some)] @ image)
            for caption, some, start, image in zip(captions, hypotheses, starts[:-1], images, strict=True)
        ]

    def _hypotheses(self, caption: Caption) -> tuple[Hypothesis, ...]:
        own = caption.nbest or (Hypothesis(caption.text, caption.logprob),)
        return own if self._rerank else own[:1]

    def _chosen(self, caption: Caption, hypotheses: Sequence[Hypothesis], cosines: AnyArray) -> Caption:
        order = np.argsort(-cosines, kind="stable")
        ranked = tuple(hypotheses[place] for place in order)[: self._nbest] if self._rerank else caption.nbest
        similarity = float(cosines[order[0]])
        if hypotheses[order[0]].text == caption.text:
            return replace(caption, nbest=ranked, similarity=similarity)
        first = ranked[0]
        tokens = tuple(first.text.split())
        return Caption(first.text, first.logprob, tokens, ranked, similarity=similarity)


def clip_scores(matcher: Matcher, photos: Sequence[Photo], texts: Sequence[str]) -> Floats:
    """CLIPScore of each photo with its own text: float64 ``[N]``, 0 to 2.5; higher is better.

    It compares captions by one matcher only.

    Raises:
        UsageError: Not as many texts as photos.
    """
    if len(photos) != len(texts):
        raise UsageError(f"{len(photos)} photos and {len(texts)} texts", item="texts", remedy="one text a photo")
    cosines = (matcher.images(photos) * matcher.texts(texts)).sum(1, dtype=np.float64)
    return np.asarray(CLIP_SCALE * np.maximum(cosines, 0))
