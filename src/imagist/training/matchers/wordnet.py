"""The nouns of WordNet 3.0, read from its database files.

Debian and Ubuntu ship the folder: ``apt-get install wordnet-base`` makes ``/usr/share/wordnet``. Source: Fellbaum 1998,
"WordNet: An Electronic Lexical Database". The format is described in WordNet's manual, wndb(5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagist.errors import DataError

# wndb(5), morphy(7): endings of plurals, and what a noun ends in
ENDINGS = (
    ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y"), ("s", ""),
)  # fmt: skip
FILES = "data.noun", "index.noun", "noun.exc", "cntlist.rev"
REMEDY = "apt-get install wordnet-base, or name the folder of WordNet 3.0 as wordnet"
_HYPERNYMS = ("@", "@i")  # of a kind, of an instance
_NOUN = "1"  # the number of its part of speech in a sense key


@dataclass(frozen=True)
class Synset:
    """One meaning.

    Attributes:
        domain: The number of its lexicographer file, such as 5 for animals; see lexnames(5).
        words: Its words.
        hypernyms: The numbers of the meanings right above.
    """

    domain: int
    words: tuple[str, ...]
    hypernyms: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class WordNet:
    """Nouns and their meanings, which go by their offsets in ``data.noun``.

    Attributes:
        synsets: Each meaning.
        senses: The meanings of each noun, the most frequent first.
        counts: How often a noun has its n-th meaning, from 1, in the texts that WordNet's authors annotated.
        others: How often a word is something else than a noun there.
        irregular: The singular of irregular plurals.
    """

    synsets: Mapping[int, Synset]
    senses: Mapping[str, Sequence[int]]
    counts: Mapping[tuple[str, int], int]
    others: Mapping[str, int]
    irregular: Mapping[str, str]
    _distances: dict[int, dict[int, int]] = field(default_factory=dict, repr=False)

    def lemma(self, word: str) -> str | None:
        """The noun of which a lower-case word is a form; None where there is none."""
        if word in self.senses:
            return word
        singulars = [self.irregular.get(word, "")]
        singulars += [word.removesuffix(plural) + end for plural, end in ENDINGS if word.endswith(plural)]
        return next((each for each in singulars if each in self.senses), None)

    def count(self, lemma: str, sense: int) -> int:
        """How often a noun has its n-th meaning, from 1."""
        return self.counts.get((lemma, sense), 0)

    def above(self, synset: int) -> Mapping[int, int]:
        """A meaning and all meanings above it, each with the least number of steps to it."""
        known = self._distances.get(synset)
        if known is None:
            known = {synset: 0}
            for parent in self.synsets[synset].hypernyms:
                for each, steps in self.above(parent).items():
                    known[each] = min(known.get(each, steps + 1), steps + 1)
            self._distances[synset] = known
        return known


def read_wordnet(folder: Path) -> WordNet:
    """Reads the nouns of a WordNet folder: ``data.noun``, ``index.noun``, ``noun.exc``, ``cntlist.rev``.

    Raises:
        DataError: A file is missing or is no file of WordNet's.
    """
    synsets: dict[int, Synset] = {}
    senses: dict[str, tuple[int, ...]] = {}
    counts: dict[tuple[str, int], int] = {}
    others: dict[str, int] = defaultdict(int)
    irregular: dict[str, str] = {}
    try:
        for line in _lines(folder / "data.noun"):
            number, synset = _synset(line.split("|")[0].split())
            synsets[number] = synset
        for word, _, meanings, *rest in map(str.split, _lines(folder / "index.noun")):
            senses[_spaced(word)] = tuple(map(int, rest[-int(meanings) :]))
        for key, sense, count, *_ in map(str.split, _lines(folder / "cntlist.rev")):
            word, kind = key.split("%")
            if kind.split(":")[0] == _NOUN:
                counts[_spaced(word), int(sense)] = int(count)
            else:
                others[_spaced(word)] += int(count)
        for form, word, *_ in map(str.split, _lines(folder / "noun.exc")):
            irregular[_spaced(form)] = _spaced(word)
    except (ValueError, IndexError) as error:
        raise DataError(
            f"no files of WordNet: {error}", item=str(folder), remedy="name WordNet 3.0's folder"
        ) from error
    return WordNet(synsets, senses, counts, dict(others), irregular)


def check_wordnet(folder: Path) -> None:
    """Makes sure that a folder has WordNet's files.

    Raises:
        DataError: A file is missing.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise DataError("no such file", item=str(folder / name), remedy=REMEDY)


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file but those of its licence, which begin with blanks."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("cannot be read", item=str(path), remedy=REMEDY) from error
    return (line for line in text.splitlines() if line and not line.startswith(" "))


def _synset(cells: Sequence[str]) -> tuple[int, Synset]:
    """A line of ``data.noun`` up to its gloss."""
    end = 4 + 2 * int(cells[3], 16)
    words = tuple(_spaced(word) for word in cells[4:end:2])
    pointers = cells[end + 1 : end + 1 + 4 * int(cells[end])]
    above = tuple(
        int(target)
        for kind, target, part in zip(pointers[::4], pointers[1::4], pointers[2::4], strict=True)
        if kind in _HYPERNYMS and part == "n"
    )
    return int(cells[0]), Synset(int(cells[1]), words, above)


def _spaced(word: str) -> str:
    return word.replace("_", " ")
