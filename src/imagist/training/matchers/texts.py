"""What the text tower reads: captions, sentences, names of classes, WordNet's nouns, and words of all these.

Shapes: M texts; T word pieces of the longest; C classes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imagist.arrays import Ints
from imagist.classifiers.image.imagenet import imagenet_names
from imagist.matching.wordpiece import PAD, UNKNOWN, WordPieces
from imagist.training.captioners.class_names import ClassNames, article
from imagist.training.captioners.texts import read_sentences
from imagist.training.matchers.affinities import visible
from imagist.training.matchers.recipe import Data
from imagist.training.matchers.wordnet import WordNet

NAMED = ("a photo of a {}", "{}", "a close-up of a {}", "a picture of the {}")  # for names of classes
EVERYDAY = (*NAMED, "a photo of {}", "there is {} in the image")  # for everyday words
FRAMES = ("a {}", "a photo of {}", "{} outdoors", "people and {}", "a {} on a table")  # for words of sentences
NOUNS = ("a photo of {a}", "a photo of {}", "{a}", "a close-up of {a}", "{a} outside", "a picture of the {}")
MOST_NAMES = 4  # of a class
FRAMED_WORDS = 12_000  # words of sentences that are also put into a frame
PLURALS = 0.3  # share of WordNet's nouns that are also read in the plural
_NAMED_COPIES = 2.0  # times that a pass reads the names of classes and everyday words
_WORD = re.compile(r"[a-z][a-z'-]+")
_NOUN = re.compile(r"[a-z][a-z' \-]{2,24}")
_PHRASE = re.compile(r"[A-Za-z' -]{4,59}")
_VISIBLE = 0.5  # of a noun's first meaning, at least
_NATURAL = (5, 6, 13)  # WordNet's animals, artifacts and food: rare ones are taken as well


@dataclass(frozen=True)
class NameSentences:
    """Sentences of the names of classes and of everyday words.

    Attributes:
        texts: The sentences.
        owners: Of each its class, or C and the place of its word in the order of the groups.
    """

    texts: tuple[str, ...]
    owners: tuple[int, ...]


def name_sentences(names: ClassNames, groups: Sequence[str]) -> NameSentences:
    """Every name of every class and every everyday word in several sentences."""
    texts, owners = [], []
    for number, (_, *parts) in enumerate(imagenet_names().values()):
        first = names.names.get(str(number))
        lower = dict.fromkeys([*([first] if first else []), *(part.lower() for part in parts)])
        for name in [*lower][:MOST_NAMES]:
            texts += [frame.format(name) for frame in NAMED]
            owners += [number] * len(NAMED)
    for number, word in enumerate(groups, len(names)):
        texts += [frame.format(word) for frame in EVERYDAY]
        owners += [number] * len(EVERYDAY)
    return NameSentences(tuple(texts), tuple(owners))


@dataclass(frozen=True, eq=False)
class Texts:
    """All texts, the shortest first.

    Attributes:
        texts: M of them, each once.
        copies: How often a pass reads each, float64 ``[M]``; of 0.4, it reads that share of all such texts.
    """

    texts: tuple[str, ...]
    copies: np.ndarray

    def drawn(self, rng: np.random.Generator) -> Ints:
        """The texts of a pass, unordered; their number is the same for every pass."""
        part = self.copies % 1
        some = [
            rng.permutation(np.flatnonzero(part == share))[: round(share * (part == share).sum())]
            for share in np.unique(part[part > 0])
        ]
        return np.concatenate([np.repeat(np.arange(len(self.copies)), self.copies.astype(int)), *some])


def gather(
    data: Data, folder: Path, captions: Sequence[str], named: NameSentences, wordnet: WordNet, pieces: Sequence[str],
    seed: int,
) -> Texts:  # fmt: skip
    """Gathers the texts of a recipe.

    Args:
        data: The recipe's.
        folder: Of relative paths.
        captions: Of all images.
        named: Sentences of names.
        wordnet: Its nouns are read, too.
        pieces: The teacher's, whose whole words are read.
        seed: Of what is drawn.

    Raises:
        DataError: A file cannot be read.
    """
    rng = np.random.default_rng((seed, 1))
    config = data.sentences
    said = [*captions, *(text for source in config.sources for text in read_sentences(folder / source))]
    phrases = [phrase for source in config.phrases for phrase in _phrases(folder / source, config.most_phrases, rng)]
    counts = Counter(word for text in (*said, *phrases, *named.texts) for word in _WORD.findall(text.lower()))
    words = sorted(word for word, count in counts.items() if count > 1 and len(word) > 2)
    framed = [FRAMES[rng.integers(len(FRAMES))].format(words[i]) for i in rng.permutation(len(words))[:FRAMED_WORDS]]
    whole = [piece for piece in pieces if re.fullmatch("[a-z]{3,}", piece)]
    nouns = [text for noun in wordnet_nouns(wordnet, {*pieces}) for text in _about(noun, rng)]
    copies: dict[str, float] = dict.fromkeys(said, config.share)
    copies |= dict.fromkeys((*phrases, *words, *framed, *whole, *nouns), 1.0)
    copies |= dict.fromkeys(named.texts, _NAMED_COPIES)
    texts = tuple(sorted(copies, key=lambda text: (len(text), text)))
    return Texts(texts, np.array([copies[text] for text in texts]))


def wordnet_nouns(wordnet: WordNet, pieces: set[str]) -> list[str]:
    """Nouns of one or two words whose first meaning can be seen, and which people use or which are single things."""
    found = []
    for noun, senses in wordnet.senses.items():
        if not _NOUN.fullmatch(noun) or noun.count(" ") > 1 or visible(wordnet, senses[0]) < _VISIBLE:
            continue
        is_used = any(wordnet.count(noun, sense) for sense in range(1, 4)) or all(w in pieces for w in noun.split())
        if is_used or (wordnet.synsets[senses[0]].domain in _NATURAL and " " not in noun):
            found.append(noun)
    return sorted(found)


def vocabulary(texts: Sequence[str], pieces: Sequence[str], max_tokens: int) -> tuple[list[str], Ints]:
    """The word pieces that occur, or are as short as letters and digits, and the texts in them.

    Args:
        texts: M of them.
        pieces: All that may be used, ``[PAD]`` and ``[UNK]`` first.
        max_tokens: Texts are cut to this number of pieces.

    Returns:
        The pieces in their order; and ids int64 ``[M, T]``, padded with 0.
    """
    reader = WordPieces(pieces)
    read = [reader.ids(text)[:max_tokens] or [UNKNOWN] for text in texts]
    used = {number for ids in read for number in ids}
    kept = [
        number for number, piece in enumerate(pieces)
        if number <= UNKNOWN or number in used or re.fullmatch(r"(##)?[a-z0-9]{1,2}", piece)
    ]  # fmt: skip
    place = {number: new for new, number in enumerate(kept)}
    rows = np.zeros((len(read), max(map(len, read))), np.int64)
    for row, ids in zip(rows, read, strict=True):
        row[: len(ids)] = [place[number] for number in ids]
    return [pieces[number] for number in kept], rows


def padded(pieces: WordPieces, texts: Sequence[str], max_tokens: int) -> Ints:
    """The word pieces of M texts, int64 ``[M, T]``, padded with 0; longer texts are cut to ``max_tokens``."""
    read = [pieces.ids(text)[:max_tokens] or [UNKNOWN] for text in texts]
    rows: Ints = np.full((len(read), max(map(len, read))), PAD, np.int64)
    for row, ids in zip(rows, read, strict=True):
        row[: len(ids)] = ids
    return rows


def _phrases(path: Path, most: int, rng: np.random.Generator) -> list[str]:
    every = [phrase for phrase in read_sentences(path) if _PHRASE.fullmatch(phrase)]
    return [every[i] for i in rng.permutation(len(every))[:most]]


def _about(noun: str, rng: np.random.Generator) -> list[str]:
    """A noun, a sentence with it and maybe its plural."""
    frame = NOUNS[rng.integers(len(NOUNS))]
    plural = [f"{noun}s"] if rng.random() < PLURALS and not noun.endswith("s") else []
    return [noun, frame.format(noun, a=f"{article(noun)} {noun}"), *plural]
