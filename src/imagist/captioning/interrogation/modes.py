"""The modes of an interrogation, over the embeddings of images.

Shapes: N images; C candidates; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from imagist.arrays import Array
from imagist.captioning.interrogation.chain import Search
from imagist.captioning.interrogation.record import Interrogation
from imagist.captioning.interrogation.settings import InterrogationSettings, Mode
from imagist.captioning.interrogation.texts import SEPARATOR, Limit
from imagist.matching.phrase_search import PhraseIndex
from imagist.matching.phrases import ROLES, Role
from imagist.protocols import Matcher
from imagist.records import Caption, Phrase

Captions = Sequence[Caption | None]
Found = tuple[Phrase, int]
"""A phrase, and its number in the tables."""

_WIDER = 8  # times as many phrases are looked at where similar ones are left out
_TWICE = 16  # further phrases that are looked at, as a phrase may be in the tables of several roles


def roles_of(mode: Mode) -> tuple[Role, ...]:
    """The roles whose phrases a mode uses."""
    return ("flavors", "negative") if mode == "negative" else tuple(role for role in ROLES if role != "negative")


@dataclass(frozen=True, eq=False)
class Modes:
    """All modes.

    Attributes:
        matcher: Embeds texts.
        index: The phrases.
        settings: Mode and numbers of phrases.
    """

    matcher: Matcher
    index: PhraseIndex
    settings: InterrogationSettings

    def interrogate(self, images: Array, captions: Captions) -> list[Interrogation]:
        """One interrogation an image.

        Args:
            images: Their embeddings, float32 ``[N, D]``, rows of length 1.
            captions: N; None for modes that begin with none.
        """
        modes: dict[Mode, Callable[[Array, Captions], list[Interrogation]]] = {
            "fast": self._fast,
            "classic": self._classic,
            "best": self._best,
            "negative": self._negative,
            "tags": self._tags,
        }
        return modes[self.settings.mode](images, captions)

    def _tags(self, images: Array, captions: Captions) -> list[Interrogation]:
        """The nearest phrases alone, however many tokens they have."""
        found = []
        for nearest, caption in zip(self._nearest(images, roles_of("tags"), self.settings.most), captions, strict=True):
            phrases = tuple(phrase for phrase, _ in nearest)
            text = SEPARATOR.join(phrase.text for phrase in phrases)
            found.append(Interrogation(text, phrases, caption, "tags"))
        return found

    def _fast(self, images: Array, captions: Captions) -> list[Interrogation]:
        """The phrases nearest to each image, of all roles alike."""
        nearest = self._nearest(images, roles_of("fast"), self.settings.most)
        return [
            self._text(caption, [(SEPARATOR, phrase) for phrase, _ in some])
            for caption, some in zip(captions, nearest, strict=True)
        ]

    def _classic(self, images: Array, captions: Captions) -> list[Interrogation]:
        """The nearest medium, artist, site and movement, then the nearest flavors."""
        kinds: tuple[Role, ...] = ("mediums", "artists", "trendings", "movements")
        columns = [self._nearest(images, (role,), 1) for role in kinds]
        flavors = self._nearest(images, ("flavors",), self.settings.most)
        found = []
        for caption, further, *single in zip(captions, flavors, *columns, strict=True):
            entries: list[tuple[str, Phrase]] = []
            for role, some in zip(kinds, single, strict=True):
                separator = " " if role == "artists" and single[0] else SEPARATOR
                entries += [(separator, phrase) for phrase, _ in some if not _begins(caption, role, phrase)]
            found.append(self._text(caption, [*entries, *((SEPARATOR, phrase) for phrase, _ in further)]))
        return found

    def _best(self, images: Array, captions: Captions) -> list[Interrogation]:
        """Of the caption alone, the other modes' texts and that of a search for the nearest, the nearest one."""
        nearest = self._nearest(images, roles_of("best"), self.settings.candidates, thinned=False)
        columns = self._classic(images, captions), self._fast(images, captions)
        found = []
        for image, caption, some, *others in zip(images, captions, nearest, *columns, strict=True):
            texts = [self._text(caption, []), *others, self._chain(image, caption, some, 1)]
            cosines = self.matcher.texts([each.text for each in texts]) @ image
            found.append(self._with_gains(texts[int(cosines.argmax())], image, "best"))
        return found

    def _negative(self, images: Array, captions: Captions) -> list[Interrogation]:
        """The text of a search for the farthest, among the farthest flavors and all negative phrases."""
        far = self._nearest(images, ("flavors",), self.settings.candidates, farthest=True, thinned=False)
        always = len(self.index.rows("negative"))
        unlike = self._nearest(images, ("negative",), always, farthest=True, thinned=False)
        found = []
        for image, one, other in zip(images, far, unlike, strict=True):
            made = self._chain(image, None, [*_distinct([*one, *other])], -1)
            found.append(self._with_gains(made, image, "negative"))
        return found

    def _chain(self, image: Array, caption: Caption | None, candidates: Sequence[Found], sign: int) -> Interrogation:
        """The text that a search finds, without its similarity."""
        vectors = self.index.vectors(np.array([number for _, number in candidates], np.int64))

        def objective(texts: Sequence[str]) -> Array:
            return np.asarray(sign * (self.matcher.texts(texts) @ image), np.float32)

        def alike(number: int) -> list[int]:
            if not self.settings.diversity:
                return []
            return np.flatnonzero(vectors @ vectors[number] > 1 - self.settings.diversity).tolist()

        search = Search(objective, self._limit, self.settings.most, self.settings.min_phrases, alike)
        chain = search.run([phrase.text for phrase, _ in candidates], caption.text if caption else "")
        return Interrogation(chain.text, tuple(candidates[n][0] for n in chain.phrases), caption, "best")

    def _nearest(
        self, images: Array, roles: tuple[Role, ...], count: int, *, farthest: bool = False, thinned: bool = True
    ) -> list[list[Found]]:
        """For each image the phrases nearest to it, or farthest, distinct; without similar ones where asked for."""
        diverse = thinned and self.settings.diversity > 0
        wanted = count * (_WIDER if diverse else 1) + _TWICE
        cosines, numbers = self.index.top(images, wanted, roles, farthest=farthest)
        found = []
        for values, of_image in zip(cosines.tolist(), numbers.tolist(), strict=True):
            some = _distinct(
                (Phrase(self.index.texts[number], value, self.index.roles[number]), number)
                for value, number in zip(values, of_image, strict=True)
            )
            found.append((self._thinned(some, count) if diverse else some)[:count])
        return found

    def _thinned(self, some: list[Found], count: int) -> list[Found]:
        """Without phrases that are too similar to one before them."""
        vectors = self.index.vectors(np.array([number for _, number in some], np.int64))
        kept: list[int] = []
        for place in range(len(some)):
            if not kept or (vectors[kept] @ vectors[place]).max() <= 1 - self.settings.diversity:
                kept.append(place)
            if len(kept) == count:
                break
        return [some[place] for place in kept]

    def _text(self, caption: Caption | None, entries: Sequence[tuple[str, Phrase]]) -> Interrogation:
        """The caption and as many phrases, each behind its separator, as fit."""
        start = caption.text if caption else ""
        endings = [separator + phrase.text for separator, phrase in entries]
        kept = self._limit.cut(start, endings)
        text = start + "".join(endings[:kept])
        return Interrogation(text, tuple(phrase for _, phrase in entries[:kept]), caption, self.settings.mode)

    def _with_gains(self, found: Interrogation, image: Array, mode: Mode) -> Interrogation:
        """With its similarity, and for each phrase how much nearer it brought the text that ends in it."""
        ends = _ends(found)
        texts = [found.text[:end] for end in (ends if found.caption else ends[1:])]
        cosines = (self.matcher.texts(texts or [found.text]) @ image).tolist()
        gains: list[float | None] = [] if found.caption else [None] * min(1, len(texts))
        gains += [after - before for before, after in pairwise(cosines)]
        phrases = tuple(replace(phrase, gain=gain) for phrase, gain in zip(found.phrases, gains, strict=True))
        return replace(found, phrases=phrases, similarity=cosines[-1], mode=mode)

    @cached_property
    def _limit(self) -> Limit:
        return Limit(self.matcher, self.settings.max_tokens)


def _ends(found: Interrogation) -> list[int]:
    """Where the caption of a text ends, and each of the phrases after it."""
    ends = [len(found.caption.text) if found.caption else 0]
    for phrase in found.phrases:
        ends.append(found.text.index(phrase.text, ends[-1]) + len(phrase.text))
    return ends


def _begins(caption: Caption | None, role: Role, phrase: Phrase) -> bool:
    """Whether the caption begins with a medium already."""
    return role == "mediums" and caption is not None and caption.text.startswith(phrase.text)


def _distinct(found: Iterable[Found]) -> list[Found]:
    """The first of each text."""
    first: dict[str, Found] = {}
    for each in found:
        first.setdefault(each[0].text, each)
    return [*first.values()]
