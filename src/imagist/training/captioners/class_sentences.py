"""Sentences about the classes of ImageNet-1k, without images: found, made more specific, or made from names.

A captioner learns its words for the classes from them; see `imagist.training.networks.naming`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from imagist.training.captioners.class_names import ClassNames, Mention, article
from imagist.training.captioners.recipe import TextCorpus

MAX_CLASSES = 3  # of a sentence
LONGEST_CONTEXT = 11  # words of a sentence whose class is exchanged
PERSONS = frozenset((
    "man", "men", "woman", "women", "boy", "boys", "girl", "girls", "person", "people", "child", "children", "kid",
    "kids", "baby", "lady", "guy", "player", "players", "he", "she", "his", "her", "their", "skier", "surfer",
    "snowboarder", "batter", "skateboarder", "couple", "rider", "group", "crowd",
))  # fmt: skip
_ARTICLES = ("a", "an")


@dataclass(frozen=True)
class ClassSentence:
    """A tokenised sentence and the one to three classes that it speaks of."""

    text: str
    classes: tuple[int, ...]


class NamesOfClasses:
    """Samples captions for labels that are classes, by number (``"151"``), or groups of them (``"dog"``).

    It takes the place of a `LabelSentences` where labels come from an encoder's own classes.

    Args:
        names: Of the classes.
    """

    def __init__(self, names: ClassNames) -> None:
        self._names = names

    def sample(self, label: str, rng: np.random.Generator) -> str:
        """A sentence about a class or a group; tokenised."""
        name = self._names.sample_name(int(label), rng) if label.isdigit() else label
        frames = self._frames(label)
        return self._names.framed(name, frames[rng.integers(len(frames))])

    def all(self, labels: Iterable[str]) -> list[str]:
        """Every sentence that can be sampled for these labels, and those of longer names."""
        return [
            self._names.framed(name, frame)
            for label in sorted({*labels})
            for name in (self._names.all_names[int(label)] if label.isdigit() else (label,))
            for frame in self._frames(label)
        ]

    def _frames(self, label: str) -> tuple[str, ...]:
        number = int(label) if label.isdigit() else self._names.everyday[label][0]
        return self._names.frames[self._names.kind(number)]


def class_sentences(
    texts: Sequence[str], names: ClassNames, config: TextCorpus, max_length: int, seed: int
) -> list[ClassSentence]:
    """Sentences of a corpus that speak of classes, and sentences for every class.

    Args:
        texts: Tokenised sentences, each once.
        names: Of the classes.
        config: What is kept, replaced and made.
        max_length: Maximum number of words of a sentence.
        seed: Of everything that is drawn.
    """
    rng = np.random.default_rng((seed, 3))
    split = [text.split() for text in texts]
    found = [(words, mentions) for words in split if (mentions := names.mentions(words))]
    made = []
    for words, mentions in found:
        with_person = not PERSONS.isdisjoint(words)
        if with_person and rng.random() >= config.persons:
            continue
        repeats = 1 if with_person else config.repeats
        made += [more_specific(words, mentions, names, config.specific, max_length, rng) for _ in range(repeats)]
    contexts = _contexts(found, names)
    sentences = NamesOfClasses(names)
    for number in range(len(names)):
        made += [ClassSentence(sentences.sample(str(number), rng), (number,)) for _ in range(config.framed)]
        for words, mention in _some(contexts[names.kind(number)], config.exchanged, rng):
            name = names.sample_name(number, rng)
            made.append(ClassSentence(" ".join(replaced(words, mention, name)), (number,)))
    return [each for each in made if len(each.text.split()) <= max_length]


def more_specific(
    words: Sequence[str],
    mentions: Sequence[Mention],
    names: ClassNames,
    share: float,
    max_length: int,
    rng: np.random.Generator,
) -> ClassSentence:
    """A sentence with one class drawn for each mention, the first three; some everyday words become the class's name.

    Args:
        words: Of the sentence.
        mentions: In it, in order, one or more.
        names: Of the classes.
        share: Share of the everyday words that are replaced, 0 to 1; a name that makes the sentence too long is not.
        max_length: Maximum number of words.
        rng: Draws.
    """
    chosen = [(mention, mention.classes[rng.integers(len(mention.classes))]) for mention in mentions[:MAX_CLASSES]]
    made = list(words)
    for mention, number in reversed(chosen):  # from the last, so that the places of the others hold
        if mention.is_group and rng.random() < share:
            longer = replaced(made, mention, names.all_names[number][0])
            made = longer if len(longer) <= max_length else made
    return ClassSentence(" ".join(made), tuple(number for _, number in chosen))


def replaced(words: Sequence[str], mention: Mention, name: str) -> list[str]:
    """The sentence with a name in place of a mention, and with the article that the name takes."""
    before, after = list(words[: mention.start]), words[mention.start + mention.words :]
    if before and before[-1] in _ARTICLES:
        before[-1] = article(name)
    return [*before, *name.split(), *after]


def _contexts(
    found: Iterable[tuple[list[str], list[Mention]]], names: ClassNames
) -> dict[str, list[tuple[list[str], Mention]]]:
    """Short sentences without persons of one everyday word after an article, by the kind of what it means."""
    contexts = defaultdict(list)
    for words, mentions in found:
        groups = [mention for mention in mentions if mention.is_group and mention.words == 1]
        if len(words) > LONGEST_CONTEXT or len(groups) != 1 or not PERSONS.isdisjoint(words):
            continue
        (mention,) = groups
        kind = names.kind(mention.classes[0])
        if kind in names.exchanged and mention.start and words[mention.start - 1] in (*_ARTICLES, "the"):
            contexts[kind].append((words, mention))
    return contexts


def _some(
    contexts: Sequence[tuple[list[str], Mention]], number: int, rng: np.random.Generator
) -> Iterator[tuple[list[str], Mention]]:
    """Draws with replacement; nothing where there are none."""
    return (contexts[i] for i in rng.integers(len(contexts), size=number)) if contexts else iter(())
