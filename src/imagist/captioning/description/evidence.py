"""Counts how many crops of an image support a detail.

Each crop has one vote, which is spread over its hypotheses by their probability.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from imagist.captioning.description import english
from imagist.captioning.description.chunks import NounPhrase
from imagist.captioning.description.crops import CropHypothesis
from imagist.captioning.description.record import Box

MAJORITY = 0.6
"""Share of the votes on an attribute that it needs; captioners often guess, for example the colour of a shirt."""

MIN_VOTES = 1.0
"""Votes that a detail needs to be added to the best caption. A higher value gives shorter and more accurate sentences;
this one was chosen by the share of added words that the references of Flickr8k dev contain."""

Evidence = Sequence[Sequence[CropHypothesis]]
"""The hypotheses of each crop, best first."""


def votes(evidence: Evidence, holds: Callable[[CropHypothesis], bool]) -> float:
    """The votes for a condition: of each crop the share of its hypotheses for which it holds."""
    return sum(hypothesis.share for crop in evidence for hypothesis in crop if holds(hypothesis))


def boxes(evidence: Evidence, key: str) -> list[Box]:
    """The boxes of crops whose best hypothesis names a noun, given by its stem."""
    return [crop[0].box for crop in evidence if crop and any(noun.key == key for noun in crop[0].clause.nouns)]


def names(key: str) -> Callable[[CropHypothesis], bool]:
    """The condition that a hypothesis names a noun, given by its stem."""
    return lambda hypothesis: any(noun.key == key for noun in hypothesis.clause.nouns)


def kind_of(adjectives: Iterable[str]) -> frozenset[int]:
    """The numbers of the `english.ADJECTIVE_KINDS` of adjectives."""
    words = {word.lower() for word in adjectives}
    return frozenset(n for n, kind in enumerate(english.ADJECTIVE_KINDS) if not kind.isdisjoint(words))


def attributes(evidence: Evidence, noun: NounPhrase) -> tuple[str, ...]:
    """The adjectives of a noun with the majority of votes among adjectives of the same kind; empty without a majority.

    Adjectives of one kind contradict each other (*blue*, *white*), so their votes are counted against each other.
    """
    counted: dict[tuple[str, ...], float] = defaultdict(float)
    for crop in evidence:
        for hypothesis in crop:
            for other in hypothesis.clause.nouns:
                if other.key == noun.key and other.plural == noun.plural and other.adjectives:
                    counted[tuple(word.lower() for word in other.adjectives)] += hypothesis.share
    if not counted:
        return ()
    best = max(sorted(counted), key=lambda adjectives: counted[adjectives])
    rivals = sum(vote for adjectives, vote in counted.items() if kind_of(adjectives) & kind_of(best))
    return best if counted[best] >= max(MIN_VOTES, MAJORITY * rivals) else ()
