"""What an image shows, by the nouns of its captions and what these are: a poodle is a dog, a dog is an animal.

Shapes: N images; W nouns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from imagist.arrays import Array
from imagist.errors import DataError
from imagist.training.matchers.affinities import Affinities, visible
from imagist.training.matchers.recipe import Words
from imagist.training.matchers.wordnet import WordNet

AGREED = 2  # captions of an image that make a noun certain
ONCE = 0.35  # how sure a noun of one caption is
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, eq=False)
class CaptionNouns:
    """The nouns of the captions of some images.

    Attributes:
        nouns: W of them.
        shares: How sure each image shows each noun, float32 ``[N, W]``, 0 to 1.
    """

    nouns: tuple[str, ...]
    shares: Array


def caption_nouns(
    captions: Sequence[Sequence[str]], wordnet: WordNet, affinities: Affinities, words: Words, fewest: int
) -> CaptionNouns:
    """Reads the captions of N images.

    Args:
        captions: Of each image.
        wordnet: Nouns and their meanings.
        affinities: Tells nouns from other words.
        words: The general words that are taken, and those that stand for persons.
        fewest: Images in which a noun is certain that is taken.

    Raises:
        DataError: No noun is certain in so many images.
    """
    known: dict[str, frozenset[str]] = {}
    general = {*words.hypernyms}

    def meant(word: str) -> frozenset[str]:
        if word not in known:
            known[word] = _meant(word, wordnet, affinities, words, general)
        return known[word]

    rows = []
    for some in captions:
        counts: Counter[str] = Counter()
        for caption in some:
            single = _WORD.findall(caption.lower())
            pairs = (" ".join(pair) for pair in pairwise(single))
            found = {noun for word in (*single, *(p for p in pairs if p in wordnet.senses)) for noun in meant(word)}
            counts.update(found | {"person", "people"} if not found.isdisjoint(words.persons) else found)
        rows.append(counts)
    certain = Counter(noun for counts in rows for noun, count in counts.items() if count >= AGREED)
    taken = tuple(n for n, images in certain.items() if images >= fewest and n not in words.not_nouns_of_captions)
    if not taken:
        raise DataError(f"no noun is in two captions of {fewest} images", item="data.captions")
    shares = [[min(1, c[noun] / AGREED) if c[noun] >= AGREED else ONCE * c[noun] for noun in taken] for c in rows]
    return CaptionNouns(taken, np.array(shares, np.float32))


def _meant(word: str, wordnet: WordNet, affinities: Affinities, words: Words, general: set[str]) -> frozenset[str]:
    """A noun and the general words above its likeliest meaning; nothing of a word that is no noun."""
    lemma = wordnet.lemma(word)
    if lemma is None or lemma in words.vague or not (" " in word or affinities.is_noun(word)):
        return frozenset()
    _, best = max(
        (visible(wordnet, synset) * (wordnet.count(lemma, sense) + 0.5) / sense, -sense)
        for sense, synset in enumerate(wordnet.senses[lemma], 1)
    )
    synset = wordnet.senses[lemma][-best - 1]
    if not visible(wordnet, synset):
        return frozenset()
    above = {each.lower() for parent in wordnet.above(synset) for each in wordnet.synsets[parent].words}
    return frozenset({lemma} | (above & general))
