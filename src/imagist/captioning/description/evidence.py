"""How well a detail is backed by what was said of all the parts of an image.

One hypothesis is a guess; what several looks at an image agree on is less of one. So the unit is a look: each has one
vote, spread over its hypotheses by their probability.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from imagist.captioning.description import english
from imagist.captioning.description.chunks import NounPhrase
from imagist.captioning.description.looks import Saying
from imagist.captioning.description.record import Box

MAJORITY = 0.6
"""Share of the votes on an attribute that it needs: captioners give every shirt a colour, and often a guessed one."""

BACKED = 1.0
"""Votes that a detail needs before it is added to what the best caption says: as many as one look that is sure of it,
or several that are not. Raised, it trades length for truth; it was set by how many of the words added to captions of
Flickr8k dev photos the five references have."""

Looks = Sequence[Sequence[Saying]]
"""For each look, its hypotheses, best first."""


def votes(looks: Looks, says: Callable[[Saying], bool]) -> float:
    """How many looks say so, each with the share of its hypotheses that do."""
    return sum(saying.share for look in looks for saying in look if says(saying))


def boxes(looks: Looks, key: str) -> list[Box]:
    """The parts of which the best hypothesis names this noun, by its stem."""
    return [look[0].box for look in looks if look and any(noun.key == key for noun in look[0].clause.nouns)]


def names(key: str) -> Callable[[Saying], bool]:
    """Whether a hypothesis names this noun, by its stem."""
    return lambda saying: any(noun.key == key for noun in saying.clause.nouns)


def kind_of(adjectives: Iterable[str]) -> frozenset[int]:
    """Which of `english.ADJECTIVE_KINDS` the adjectives are of."""
    words = {word.lower() for word in adjectives}
    return frozenset(n for n, kind in enumerate(english.ADJECTIVE_KINDS) if not kind.isdisjoint(words))


def attributes(looks: Looks, noun: NounPhrase) -> tuple[str, ...]:
    """The adjectives that most looks agree on, of those that give this noun any of the same kind; else none.

    Adjectives of one kind contradict each other (*blue*, *white*), so their votes are counted against each other.
    """
    counted: dict[tuple[str, ...], float] = defaultdict(float)
    for look in looks:
        for saying in look:
            for other in saying.clause.nouns:
                if other.key == noun.key and other.plural == noun.plural and other.adjectives:
                    counted[tuple(word.lower() for word in other.adjectives)] += saying.share
    if not counted:
        return ()
    best = max(sorted(counted), key=lambda adjectives: counted[adjectives])
    rivals = sum(vote for adjectives, vote in counted.items() if kind_of(adjectives) & kind_of(best))
    return best if counted[best] >= max(BACKED, MAJORITY * rivals) else ()
