"""Says less where the encoder is not sure: a general word in place of a class's name, nobody where nobody is seen.

A captioner that may name a thousand classes names one for every image. Of its hypotheses, one that speaks of persons
loses where a detector finds none. Then the name of an unlikely class gives way to a more general word for it, if the
encoder's classes make that one worth more: a word is worth what it tells where it is right, less what is lost where it
is wrong (Deng et al. 2012, "Hedging Your Bets: Optimizing Accuracy-Specificity Trade-offs in Large Scale Visual
Recognition"). Sentences about persons are left as they are: the classes say little of what persons hold.

Shapes: N images, L cells of the grid, D channels, C classes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from imagist.arrays import Array, Ints
from imagist.bundle import Folder
from imagist.captioning.decoding import Sentence
from imagist.errors import BundleError

TABLE, DETECTOR = "hedging.toml", "persons.npz"
"""The files of a captioner's part."""

LONGEST_NAME = 3  # words of a name that is looked for
NEIGHBOURS = 3  # side of the square of cells over which scores are averaged
SHARPNESS = 2.0  # of the soft maximum over these means
ARTICLES = ("a", "an")

Key = TypeVar("Key", bound=Hashable)
Known = TypeVar("Known")
Number = TypeVar("Number", float, Array)
Word = TypeVar("Word")


def longest_phrases(
    words: Sequence[Word], table: Mapping[Key, Known], key: Callable[[Sequence[Word]], Key]
) -> Iterator[tuple[int, int, Known]]:
    """The phrases of a table in a sentence, in order; of those that overlap the first and longest.

    Args:
        words: The sentence.
        table: What is known of each phrase; not None.
        key: Makes a key of the table of 1 to `LONGEST_NAME` words.

    Yields:
        The place of a phrase's first word, the number of its words, and its entry.
    """
    at = 0
    while at < len(words):
        lengths = range(min(LONGEST_NAME, len(words) - at), 0, -1)
        spans = ((number, table.get(key(words[at : at + number]))) for number in lengths)
        number, known = next(((number, entry) for number, entry in spans if entry is not None), (1, None))
        if known is not None:
            yield at, number, known
        at += number


def worth(specificity: Number, probability: Number, wrong: float) -> Number:
    """What a word is worth for an image of which the class is not sure.

    Args:
        specificity: How much the word tells, 0 to 1.
        probability: That it is right, 0 to 1.
        wrong: What is lost where it is not, 0 or more.
    """
    return specificity * probability - wrong * (1 - probability)


@dataclass(frozen=True, eq=False)
class General:
    """A general word.

    Attributes:
        words: Its ids.
        with_article: The same after the article that it takes, if it takes one.
        classes: That it may mean.
        specificity: 0 to 1.
    """

    words: tuple[int, ...]
    with_article: tuple[int, ...]
    classes: Ints
    specificity: float


@dataclass(frozen=True, eq=False)
class Hedging:
    """How a captioner says less.

    Attributes:
        names: The class of each name, by the ids of its words.
        general: The general words for each class, by its number.
        persons: Ids of words for persons.
        articles: Ids of *a* and *an*.
        weight: Of each channel in a cell's score ``[D]``.
        bias: Of the score.
        margin: By how much a general word must be worth more.
        wrong: What is lost where a word is wrong.
        invented: What a hypothesis about persons loses where there are none.
    """

    names: Mapping[tuple[int, ...], int]
    general: Mapping[int, tuple[General, ...]]
    persons: frozenset[int]
    articles: frozenset[int]
    weight: Array
    bias: float
    margin: float
    wrong: float
    invented: float

    def somebody(self, grids: Array) -> Array:
        """The probability that a person is to be seen, ``[N]``, by grids ``[N, L, D]``."""
        cells = grids @ self.weight + self.bias
        side = round(cells.shape[1] ** 0.5)
        square = cells.reshape(-1, side, side)
        size = min(NEIGHBOURS, side)
        near = np.lib.stride_tricks.sliding_window_view(square, (size, size), (1, 2)).mean((3, 4))
        flat = SHARPNESS * near.reshape(len(near), -1)
        top = flat.max(1, keepdims=True)
        logits = (top[:, 0] + np.log(np.exp(flat - top).mean(1))) / SHARPNESS
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)

    def hedged(
        self, found: Sequence[Sequence[Sentence]], grids: Array, classes: Array, power: float, kept: int
    ) -> list[list[Sentence]]:
        """The best sentences of each image, in their new order and words.

        Args:
            found: The hypotheses of N images, best first.
            grids: ``[N, L, D]``.
            classes: Probabilities ``[N, C]``.
            power: Hypotheses are ranked by log-probability / words ** power.
            kept: Sentences of an image that are returned, at most.
        """
        said = []
        for sentences, somebody, row in zip(found, self.somebody(grids), classes, strict=True):
            lost = [self.invented * (1 - float(somebody)) * self.speaks_of_persons(s.words) for s in sentences]
            ranks = [s.logprob / len(s.words) ** power - loss for s, loss in zip(sentences, lost, strict=True)]
            order = np.argsort(-np.array(ranks), kind="stable")[:kept]
            said.append([self.less(sentences[i], row) for i in order])
        return said

    def speaks_of_persons(self, words: Ints) -> bool:
        """Whether one of these words is for a person."""
        return not self.persons.isdisjoint(words.tolist())

    def less(self, sentence: Sentence, classes: Array) -> Sentence:
        """The sentence with general words for classes that are not likely; its log-probability stays.

        The attention of a new word is the mean of the words that it replaces.

        Args:
            sentence: Any.
            classes: Probabilities ``[C]``.
        """
        if self.speaks_of_persons(sentence.words):
            return sentence
        words, attention = sentence.words.tolist(), sentence.attention
        for at, number, name in reversed([*longest_phrases(words, self.names, tuple)]):
            best = self._better(name, classes)
            if best is None:
                continue
            begin = at - 1 if at and words[at - 1] in self.articles else at
            new = best.words if begin == at else best.with_article
            if attention is not None:
                own = attention[begin : at + number].mean(0, keepdims=True)
                attention = np.concatenate([attention[:begin], own.repeat(len(new), 0), attention[at + number :]])
            words[begin : at + number] = new
        return replace(sentence, words=np.array(words, np.int64), attention=attention)

    def _better(self, name: int, classes: Array) -> General | None:
        """The general word that is worth most for a class, if that is enough more than its name."""
        own = worth(1.0, float(classes[name]), self.wrong) + self.margin
        known = self.general.get(name, ())
        worths = [worth(each.specificity, float(classes[each.classes].sum()), self.wrong) for each in known]
        return known[int(np.argmax(worths))] if worths and max(worths) > own else None


def hedging_of(folder: Folder, vocabulary: Sequence[str]) -> Hedging:
    """That of a captioner's part which has the files for it. Words that the captioner does not have are left out.

    Raises:
        BundleError: The files cannot be understood.
    """
    places = {word: place for place, word in enumerate(vocabulary)}

    def ids(phrase: str) -> tuple[int, ...] | None:
        found = [places.get(word) for word in phrase.split()]
        return None if None in found else tuple(found)  # type: ignore[arg-type]

    try:
        table = tomllib.loads(folder.read(TABLE).decode("utf-8"))
        arrays = folder.arrays(DETECTOR)
        return _made(table, arrays, ids)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(f"{TABLE} cannot be understood: {error}", item=str(folder.path)) from error


def _made(table: Mapping[str, Any], arrays: Mapping[str, Array], ids: Any) -> Hedging:
    names = {known: int(number) for name, number in table["names"].items() if (known := ids(name))}
    general: dict[int, list[General]] = {}
    for word, of in table["general"].items():
        bare, whole = ids(word), ids(of["with_article"])
        if bare and whole:
            each = General(bare, whole, np.array(of["classes"], np.int64), float(of["specificity"]))
            for number in each.classes.tolist():
                general.setdefault(number, []).append(each)
    settings = {name: float(table[name]) for name in ("margin", "wrong", "invented")}
    persons = frozenset(place[0] for word in table["persons"] if (place := ids(word)))
    articles = frozenset(place[0] for word in ARTICLES if (place := ids(word)))
    return Hedging(
        names, {number: tuple(some) for number, some in general.items()}, persons, articles,
        np.asarray(arrays["weight"], np.float32), float(arrays["bias"]), **settings,
    )  # fmt: skip
