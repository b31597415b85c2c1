"""To which of an encoder's classes the nouns of a text belong, by WordNet and by everyday words for groups of classes.

The classes are those of ImageNet-1k, each a meaning in WordNet. A noun that names a class or a kind of classes means
these, equally. Any other noun means those classes with which it shares the most specific meaning above both, as
measured by information content over the classes (Resnik 1995, "Using Information Content to Evaluate Semantic
Similarity in a Taxonomy").

Shapes: C classes.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from imagist.arrays import Array, Ints
from imagist.errors import DataError
from imagist.training.captioners.class_names import ClassNames, classes_of
from imagist.training.matchers.recipe import Words
from imagist.training.matchers.wordnet import WordNet

VISIBLE = {
    4: 0.3, 5: 1.0, 6: 1.0, 8: 0.6, 10: 0.1, 13: 1.0, 14: 0.2, 15: 0.5, 17: 1.0, 18: 1.0, 19: 0.6, 20: 1.0, 27: 0.5,
}  # fmt: skip
"""How far a meaning can be seen in an image, 0 to 1, by WordNet's lexicographer files: acts, animals, artifacts, parts
of bodies, communication, food, groups, places, natural objects, persons, phenomena, plants, substances; others cannot.
"""

SHARPNESS = 3.0  # multiplies information contents, in nats, before the softmax over classes
SURE = 5.0  # nats of information content from which on a meaning is as specific as a class
OF_A_CLASS = 1.5  # how much more a meaning counts that is a class
LONGEST = 3  # words of a noun
FEWEST_LETTERS = 3
_WORD = re.compile(r"[a-z'\-]+")


class Affinities:
    """Looks up nouns and texts.

    Args:
        wordnet: Nouns and their meanings.
        classes: The wnids of the C classes, such as ``n01440764``.
        words: Everyday words and lists of words that are no nouns or tell little.
        names: Further everyday words.

    Attributes:
        groups: The classes of each everyday word, ascending.

    Raises:
        DataError: A class is no meaning in this WordNet.
    """

    def __init__(self, wordnet: WordNet, classes: Sequence[str], words: Words, names: ClassNames | None = None) -> None:
        self._wordnet, self._words, self._size = wordnet, words, len(classes)
        everyday = (names.everyday if names else {}) | {
            word: [*classes_of(text)] for word, text in words.groups.items()
        }
        self.groups = {word: np.array(numbers) for word, numbers in everyday.items()}
        synsets = [int(wnid[1:]) for wnid in classes]
        if unknown := [wnid for wnid, number in zip(classes, synsets, strict=True) if number not in wordnet.synsets]:
            raise DataError(
                f"has no meaning {', '.join(unknown[:3])}", item="wordnet", remedy="name the folder of WordNet 3.0"
            )
        self._classes = frozenset(synsets)
        below = defaultdict(list)
        for number, synset in enumerate(synsets):
            for each in wordnet.above(synset):
                below[each].append(number)
        self._below: dict[int, Ints] = {synset: np.array(numbers) for synset, numbers in below.items()}
        self._content = {synset: math.log(len(classes) / len(own)) for synset, own in self._below.items()}
        self._known: dict[str, tuple[Array, float] | None] = {}

    def of_text(self, text: str) -> tuple[Array, float]:
        """The mean over the nouns of a text, each as it is sure: float32 ``[C]`` summing to 1, and how sure, 0 to 1.

        All zero where no noun of the text can be seen.
        """
        found = [each for each in map(self.of_noun, self.nouns(text)) if each is not None]
        sure = np.array([each for _, each in found], np.float32)
        if not sure.sum():
            return np.zeros(self._size, np.float32), 0.0
        rows: Array = np.stack([row for row, _ in found])
        return sure @ rows / sure.sum(), float(sure.mean())

    def nouns(self, text: str) -> Iterator[str]:
        """The nouns of a text that can be seen, in order; of those that overlap the first and longest."""
        words, at = _WORD.findall(text.lower()), 0
        while at < len(words):
            spans = (" ".join(words[at : at + n]) for n in range(min(LONGEST, len(words) - at), 0, -1))
            found = next((span for span in spans if self._counts(span, len(words) == 1)), None)
            if found is not None:
                yield found
            at += found.count(" ") + 1 if found else 1

    def _counts(self, span: str, is_alone: bool) -> bool:
        if " " not in span:
            if len(span) < FEWEST_LETTERS:
                return False
            if not is_alone and (span in self._words.vague or not self.is_noun(span)):
                return False
        return self.of_noun(span) is not None

    def is_noun(self, word: str) -> bool:
        """Whether a lower-case word of a sentence is more often a noun than something else."""
        if len(word) < FEWEST_LETTERS or word in self._words.function:
            return False
        if word in self._words.nouns or word in self.groups:
            return True
        lemma = self._wordnet.lemma(word)
        if lemma is None:
            return False
        others = sum(self._wordnet.others.get(form, 0) for form in _bases(word))
        return sum(self._wordnet.count(lemma, sense) for sense in range(1, 10)) >= others / 2

    def of_noun(self, noun: str) -> tuple[Array, float] | None:
        """The classes of a noun: float32 ``[C]`` summing to 1, and how sure it is that they can be seen, 0 to 1.

        None where it is no noun or cannot be seen.
        """
        if noun not in self._known:
            self._known[noun] = self._looked_up(noun)
        return self._known[noun]

    def _looked_up(self, noun: str) -> tuple[Array, float] | None:
        lemma = self._wordnet.lemma(noun)
        numbers = self.groups.get(noun, self.groups.get(lemma or ""))
        if numbers is not None:
            row = np.zeros(self._size, np.float32)
            row[numbers] = 1 / len(numbers)
            return row, 1.0
        return None if lemma is None else self._by_meanings(lemma)

    def _by_meanings(self, lemma: str) -> tuple[Array, float] | None:
        """The mean over the meanings of a noun, each as frequent as it is."""
        row, sure, seen, total = np.zeros(self._size, np.float32), 0.0, 0.0, 0.0
        for sense, synset in enumerate(self._wordnet.senses[lemma], 1):
            frequency = (self._wordnet.count(lemma, sense) + 0.5) / sense
            total += frequency
            share = visible(self._wordnet, synset) * frequency * (OF_A_CLASS if synset in self._classes else 1)
            if share:
                shared = self._shared(synset)
                parts = np.exp(SHARPNESS * (shared - shared.max()))
                row += share * parts / parts.sum()
                sure += share * min(1, shared.max() / SURE)
                seen += share
        return (row / seen, sure / seen * min(1, seen / total * 1.5)) if seen else None

    def _shared(self, synset: int) -> Array:
        """The information content of the most specific meaning that one shares with each class: float32 ``[C]``."""
        found = np.zeros(self._size, np.float32)
        for each in self._wordnet.above(synset).keys() & self._content.keys():
            found[self._below[each]] = np.maximum(found[self._below[each]], self._content[each])
        return found


def visible(wordnet: WordNet, synset: int) -> float:
    """How far a meaning can be seen in an image, 0 to 1."""
    return VISIBLE.get(wordnet.synsets[synset].domain, 0.0)


def _bases(word: str) -> list[str]:
    """A word and the verbs or adjectives of which it may be a form."""
    if word.endswith("ing"):
        return [word, word[:-3], word[:-3] + "e", word[:-4]]
    if word.endswith("ed"):
        return [word, word[:-2], word[:-1], word[:-3]]
    return [word, word[:-1]] if word.endswith("s") else [word]
