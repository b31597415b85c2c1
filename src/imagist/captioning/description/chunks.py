"""A caption's words, in order, as noun phrases, verb groups and prepositional phrases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imagist.captioning.description import english
from imagist.captioning.description.english import stem

SEVERAL = english.NUMBERS - {"one"} | {"several", "many", "few", "both", "and"}

Role = Literal["frame", "nouns", "verb", "prepositional", "adverb", "rest"]


@dataclass(frozen=True)
class NounPhrase:
    """A noun phrase in three parts.

    Attributes:
        before: Determiner, number and collective: ``("a", "group", "of")``.
        adjectives: Such as ``("brown", "and", "white")``; only those of `english.ADJECTIVES`.
        head: The noun with the nouns before it: ``("brick", "wall")``.
    """

    before: tuple[str, ...]
    adjectives: tuple[str, ...]
    head: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All of them, in order."""
        return self.before + self.adjectives + self.head

    @property
    def key(self) -> str:
        """The stem of the head noun."""
        return stem(self.head[-1])

    @property
    def plural(self) -> bool:
        """Whether it names several things."""
        return english.is_plural(self.head[-1]) or not SEVERAL.isdisjoint(word.lower() for word in self.before)


@dataclass(frozen=True)
class Chunk:
    """A stretch of a caption.

    Attributes:
        role: Its kind.
        lead: The words before its noun phrases: the preposition, the verb group, or all words.
        nouns: Its noun phrases.
        joints: The words between them, such as ``("and",)``: one entry fewer than noun phrases.
    """

    role: Role
    lead: tuple[str, ...] = ()
    nouns: tuple[NounPhrase, ...] = ()
    joints: tuple[tuple[str, ...], ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """All of them, in order."""
        words = list(self.lead)
        for number, noun in enumerate(self.nouns):
            words += (self.joints[number - 1] if number else ()) + noun.words
        return tuple(words)


@dataclass(frozen=True)
class Clause:
    """A caption in chunks, in order."""

    chunks: tuple[Chunk, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All of them, in order."""
        return tuple(word for chunk in self.chunks for word in chunk.words)

    @property
    def subject(self) -> Chunk | None:
        """The noun phrases at its start."""
        first = next((chunk for chunk in self.chunks if chunk.role != "frame"), None)
        return first if first and first.role == "nouns" else None

    @property
    def verb(self) -> int | None:
        """The position of the first verb group; the chunks before it belong to the subject."""
        return next((n for n, chunk in enumerate(self.chunks) if chunk.role == "verb"), None)

    @property
    def nouns(self) -> tuple[NounPhrase, ...]:
        """All noun phrases."""
        return tuple(noun for chunk in self.chunks for noun in chunk.nouns)
