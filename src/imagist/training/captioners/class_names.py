"""What people call the classes of ImageNet-1k, and everyday words for groups of them.

Classes go by number, 0 to 999, in the order of `imagist.classifiers.image.imagenet.imagenet_names`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np

from imagist.arrays import Array
from imagist.captioning.hedging import LONGEST_NAME, longest_phrases, worth
from imagist.classifiers.image.imagenet import imagenet_names
from imagist.errors import UsageError
from imagist.metrics.ptb import tokenize
from imagist.training.captioners.label_sentences import PLACE

THING = "thing"  # the kind of classes that no other kind has
FIRST_NAME = 0.75  # share of the sampled names that are the first one
SPECIFIC = 1.5  # power of a word's share of the information that a class has: the higher, the sooner a class is named
_RANGE = re.compile(r"\s*(\d+)(?:-(\d+))?\s*")
_CONSONANT = re.compile(r"(uni|eu|use|one)")  # a unicycle
_VOWEL = re.compile(r"([aeiou]|hour|heir|honest)")  # an hourglass


@dataclass(frozen=True)
class Mention:
    """A word or phrase of a sentence that may mean some classes.

    Attributes:
        start: Place of its first word, from 0.
        words: Number of its words, 1 to 3.
        classes: Numbers of the classes, ascending.
        is_group: Whether it is an everyday word in the singular, in whose place the name of a class fits.
    """

    start: int
    words: int
    classes: tuple[int, ...]
    is_group: bool


@dataclass(frozen=True)
class ClassNames:
    """Names of the classes, and how to find them in a sentence.

    Sets of classes are written as numbers and ranges: ``"7-24, 80-100"``.

    Attributes:
        groups: For each everyday word, the classes that it may mean; a class belongs to one group at most.
        general: Further everyday words, such as *building*, and the classes that each may mean; a class may belong to
            several. They name what an encoder is not sure of, and are not looked for in sentences without images.
        synonyms: Further words for a group: ``bike = "bicycle"``.
        names: For some classes, by number, the name that people use first; the others have WordNet's.
        ambiguous: Names of WordNet that mostly mean something else in captions; they are not looked for.
        without_article: Names that take no article.
        kinds: The classes of each kind; a later kind takes classes from earlier ones, and the rest are a ``thing``.
        frames: For each kind, sentences with ``{a}`` in place of a name with its article.
        exchanged: Kinds whose classes may take each other's place in a sentence.
    """

    groups: Mapping[str, str]
    kinds: Mapping[str, str]
    frames: Mapping[str, tuple[str, ...]]
    general: Mapping[str, str] = field(default_factory=dict)
    synonyms: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    ambiguous: tuple[str, ...] = ()
    without_article: tuple[str, ...] = ()
    exchanged: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        total = len(imagenet_names())
        for table, sets in (
            ("groups", self.groups),
            ("general", self.general),
            ("kinds", self.kinds),
            ("names", {key: key for key in self.names}),
        ):
            for key, text in sets.items():
                if max(classes_of(text, f"{table}.{key}")) >= total:
                    raise UsageError(f"there are {total:,} classes, from 0, not {text}", item=f"{table}.{key}")
        if unknown := sorted({*self.synonyms.values()} - self.groups.keys()):
            raise UsageError(f"no groups {', '.join(unknown)}", item="synonyms")
        if missing := sorted({THING, *self.kinds} - self.frames.keys()):
            raise UsageError(f"none for {', '.join(missing)}", item="frames")
        if wrong := sorted({frame for some in self.frames.values() for frame in some if PLACE not in frame}):
            raise UsageError(f"without {PLACE}: {', '.join(map(repr, wrong))}", item="frames")
        if unknown := sorted({*self.exchanged} - self.frames.keys()):
            raise UsageError(f"no kinds {', '.join(unknown)}", item="exchanged")
        numbers = [i for text in self.groups.values() for i in classes_of(text)]
        if twice := sorted({i for i in numbers if numbers.count(i) > 1}):
            raise UsageError(f"classes in two groups: {', '.join(map(str, twice))}", item="groups")

    def __len__(self) -> int:
        """C, the number of classes."""
        return len(self.all_names)

    @cached_property
    def all_names(self) -> tuple[tuple[str, ...], ...]:
        """The tokenised names of each class, the one that people use first."""
        found = []
        for number, (_, *parts) in enumerate(imagenet_names().values()):
            first = self.names.get(str(number))
            found.append(tuple(dict.fromkeys(_tokens(name) for name in ([first] if first else []) + parts)))
        return tuple(found)

    @cached_property
    def group_classes(self) -> dict[str, tuple[int, ...]]:
        """The classes of each group, ascending."""
        return {word: tuple(classes_of(text)) for word, text in self.groups.items()}

    @cached_property
    def everyday(self) -> dict[str, tuple[int, ...]]:
        """The classes of each everyday word, ascending: of the general words, and of the groups."""
        return self.group_classes | {word: tuple(classes_of(text)) for word, text in self.general.items()}

    @cached_property
    def meanings(self) -> dict[str, tuple[int, ...]]:
        """All classes that a name or an everyday word may mean, ascending; for plurals, too."""
        found = {word: {*numbers} for word, (numbers, _) in self._phrases.items()}
        for word, numbers in self.everyday.items():
            for form in (word, *_plurals(word)):
                found.setdefault(form, set()).update(numbers)
        return {word: tuple(sorted(numbers)) for word, numbers in found.items()}

    def specificity(self, classes: Sequence[int]) -> float:
        """How much a word tells that may mean these classes: 1 for a single one, 0 for all."""
        return float((1 - math.log(len(classes)) / math.log(len(self))) ** SPECIFIC)

    def labels(self, probabilities: Array, wrong: float, least_worth: float) -> list[str | None]:
        """What is `worth` most for each of N images: a class by its number, or an everyday word.

        Args:
            probabilities: Of the classes, float ``[N, C]``.
            wrong: What is lost where a word is wrong, 0 or more.
            least_worth: None stands where nothing is worth as much.
        """
        words = [*map(str, range(len(self))), *self.everyday]
        everyday = [probabilities[:, list(classes)].sum(1) for classes in self.everyday.values()]
        specificity = [1.0] * len(self) + [self.specificity(classes) for classes in self.everyday.values()]
        worths: Array = worth(np.array(specificity), np.column_stack([probabilities, *everyday]), wrong)
        best = worths.argmax(1)
        return [words[at] if row[at] >= least_worth else None for at, row in zip(best, worths, strict=True)]

    def meant(self, words: Sequence[str]) -> list[tuple[int, ...]]:
        """What the names and everyday words in a tokenised sentence mean, in order, each once: their `meanings`."""
        return [*dict.fromkeys(classes for _, _, classes in longest_phrases(words, self.meanings, " ".join))]

    def kind(self, number: int) -> str:
        """The kind of a class."""
        return self._kinds.get(number, THING)

    def sample_name(self, number: int, rng: np.random.Generator) -> str:
        """One of the names of a class: mostly the first, else a short one."""
        first, *others = self.all_names[number]
        short = [name for name in (first, *others) if len(name.split()) <= LONGEST_NAME] or [first]
        return first if not others or rng.random() < FIRST_NAME else short[rng.integers(len(short))]

    def with_article(self, name: str) -> str:
        """A tokenised name after ``a`` or ``an``, where it takes one."""
        return name if name in self.without_article else f"{article(name)} {name}"

    def framed(self, name: str, frame: str) -> str:
        """A frame filled with a name and its article, tokenised."""
        return _tokens(frame.replace(PLACE, self.with_article(name)))

    def mentions(self, words: Sequence[str]) -> list[Mention]:
        """The names and everyday words in a tokenised sentence, in order; of those that overlap the first and longest.

        Plurals in ``s``, ``es`` and ``ies`` are found as well.
        """
        return [Mention(at, number, *known) for at, number, known in longest_phrases(words, self._phrases, " ".join)]

    @cached_property
    def _kinds(self) -> dict[int, str]:
        return {number: kind for kind, text in self.kinds.items() for number in classes_of(text)}

    @cached_property
    def _phrases(self) -> dict[str, tuple[tuple[int, ...], bool]]:
        """For each phrase its classes, and whether it is an everyday word in the singular."""
        classes: dict[str, set[int]] = {}
        for number, names in enumerate(self.all_names):
            for name in names:
                classes.setdefault(name, set()).add(number)
        for word in self.ambiguous:
            classes.pop(word, None)
        everyday = {**{word: word for word in self.groups}, **self.synonyms}
        for word, group in everyday.items():
            classes.setdefault(word, set()).update(self.group_classes[group])
        found = {word: (tuple(sorted(numbers)), word in everyday) for word, numbers in classes.items()}
        for word, (numbers, _) in list(found.items()):
            for plural in _plurals(word):
                found.setdefault(plural, (numbers, False))
        return found


def classes_of(text: str, item: str | None = None) -> Iterator[int]:
    """The numbers of a set of classes, ascending, such as 7, 8, 9 and 12 of ``"7-9, 12"``.

    Raises:
        UsageError: The text is something else, or empty; ``item`` says whose it is.
    """
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        last = int(match[2] or match[1]) if match else -1
        if match is None or last < int(match[1]):
            raise UsageError(
                f"no set of classes: {part.strip()!r}", item=item, remedy="write numbers and ranges: 7-9, 12"
            )
        found |= {*range(int(match[1]), last + 1)}
    yield from sorted(found)


def article(name: str) -> str:
    """``a`` or ``an``, as the first sound of a lower-case name asks for."""
    return "an" if _VOWEL.match(name) and not _CONSONANT.match(name) else "a"


def _plurals(word: str) -> Iterable[str]:
    return f"{word}s", f"{word}es", *([f"{word[:-1]}ies"] if word.endswith("y") else [])


@cache
def _tokens(text: str) -> str:
    return " ".join(tokenize(text))
