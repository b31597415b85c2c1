"""A short paragraph: a sentence about the whole, then sentences about parts, none of which says anything twice.

A sentence about a part comes from the caption of that part. It says who or what is there that was not named yet, with
the phrases of that caption that are backed by other looks and not said before (*On the left, a dog is running on a
beach.*); where the caption is about something named already, only what else it names is told (*There is a bench on the
left.*). What no other look confirms is left out: better a short paragraph than a false one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from imagist.captioning.description import english
from imagist.captioning.description.chunker import words_of
from imagist.captioning.description.chunks import Chunk, Clause, NounPhrase
from imagist.captioning.description.english import stem
from imagist.captioning.description.evidence import BACKED, Looks, attributes, boxes, names, votes
from imagist.captioning.description.looks import Saying, overlap, position
from imagist.captioning.description.prose import be, finite, prose, without_repeats
from imagist.captioning.description.record import Box, Said
from imagist.captioning.description.sentence import backed, concepts, is_worn

LONGEST = 5  # sentences
SEEN = 2.5  # votes that a thing needs which the caption of the whole does not name; somebody needs `BACKED`
APART = 0.6  # overlap of two parts from which both are taken to show the same thing

_PLACES = frozenset().union(*(scene for scene in english.SCENES if not {"water", "building"} & scene))


def paragraph(best: Saying, first: Clause, parts: Looks, witnesses: Looks) -> list[Said]:
    """The sentences, at most `LONGEST`.

    Args:
        best: The caption of the whole.
        first: That caption, enriched.
        parts: For each part, its hypotheses, the best first.
        witnesses: These and the looks at the whole.
    """
    if not english.is_english(words_of(best.text)):
        return verbatim(best, parts)
    said = [Said(prose(finite(without_repeats(first))), best.box, best.logprob)]
    told = _Told(list(first.nouns), set(concepts(first.words)))
    best_of = [look[0] for look in parts if look and english.is_english(words_of(look[0].text))]
    for saying in sorted(best_of, key=lambda s: (-_subject_votes(s, witnesses), *_rank(s))):
        if len(said) < LONGEST and (words := _about_subject(saying, told, parts, witnesses, best.box)):
            said.append(Said(prose(words), saying.box, saying.logprob))
    things = [(votes(parts, names(n.key)), s, n) for s in best_of for n in s.clause.nouns]
    for count, saying, noun in sorted(things, key=lambda t: (-t[0], *_rank(t[1]))):
        if len(said) < LONGEST and count >= SEEN and (words := _about_thing(noun, told, parts, best.box)):
            said.append(Said(prose(words), saying.box, saying.logprob))
    return said


@dataclass
class _Told:
    """What the paragraph has named so far."""

    nouns: list[NounPhrase]
    concepts: set[str]
    boxes: list[Box] = field(default_factory=list)

    def add(self, nouns: Sequence[NounPhrase], words: Sequence[str]) -> None:
        self.nouns += nouns
        self.concepts |= concepts(words)

    def is_new(self, noun: NounPhrase) -> bool:
        """Whether a noun names somebody or something not named yet, or one of several that were.

        A person beside another is taken for the same one under another name, unless several were named.
        """
        same = [other for other in self.nouns if other.key == noun.key]
        if same:
            return not noun.plural and all(_several(other) for other in same)
        if noun.key in english.PERSONS:
            others = [other for other in self.nouns if other.key in english.PERSONS]
            return not others or (not noun.plural and any(_several(n) and n.key in english.CROWDS for n in others))
        return noun.key not in self.concepts


def _several(noun: NounPhrase) -> bool:
    return noun.plural or noun.key in ("crowd", "team", "family", "couple")


def _rank(saying: Saying) -> tuple[float, float, Box]:
    """The likelier first; of equals, that of the larger part."""
    x0, y0, x1, y1 = saying.box
    return -saying.per_word, -(x1 - x0) * (y1 - y0), saying.box


def _subject_votes(saying: Saying, witnesses: Looks) -> float:
    subject = saying.clause.subject
    return min(votes(witnesses, names(noun.key)) for noun in subject.nouns) if subject else 0.0


def _about_subject(saying: Saying, told: _Told, parts: Looks, witnesses: Looks, outer: Box) -> tuple[str, ...]:
    """A sentence about whom or what a part's caption is about; empty where that is not new or not backed."""
    subject = saying.clause.subject
    if subject is None or _near(saying.box, told.boxes):
        return ()
    persons = all(noun.key in english.PERSONS | english.ANIMALS for noun in subject.nouns)
    if not persons or not all(told.is_new(noun) for noun in subject.nouns):
        return ()
    if (who := backed(subject, witnesses)) is None:
        return ()
    again = any(other.key == noun.key for noun in subject.nouns for other in told.nouns)
    deed = list(_deed(saying.clause, told, witnesses))
    place = position([box for noun in subject.nouns for box in boxes(parts, noun.key)], outer)
    news = any(chunk.nouns and not is_worn(chunk) for chunk in deed)
    if not news and (again or not place):
        return ()
    told.boxes.append(saying.box)
    told.add([noun for chunk in (who, *deed) for noun in chunk.nouns], [w for c in (who, *deed) for w in c.words])
    if any(chunk.role == "verb" for chunk in deed):
        opening = (*place.split(), ",") if place else ()
        return opening + finite(Clause((who, *deed)))
    phrases = tuple(word for chunk in deed for word in chunk.words)
    return ("there", be(who), *who.words, *phrases, *place.split())


def _deed(clause: Clause, told: _Told, witnesses: Looks) -> Iterator[Chunk]:
    """What follows the subject, as far as it is backed and not said before."""
    subject = clause.subject
    if subject is None:
        return
    known = told.concepts | concepts(subject.words)
    for chunk in clause.chunks[clause.chunks.index(subject) + 1 :]:
        if chunk.role == "rest" or chunk.lead == ("and",):
            return
        sure = backed(chunk, witnesses, SEEN)
        if sure is None or not known.isdisjoint(concepts([word for noun in chunk.nouns for word in noun.words])):
            sure = None
        if chunk.role == "verb" and not (sure and _done(chunk, witnesses)):
            return  # what comes after belongs to the verb
        if sure and chunk.role in ("verb", "prepositional") and not (is_worn(chunk) and sure != chunk):
            known |= concepts(chunk.words)
            yield sure


def _done(chunk: Chunk, witnesses: Looks) -> bool:
    """Whether enough looks see the same done."""
    done = stem(chunk.lead[-1])

    def says(saying: Saying) -> bool:
        return any(c.role == "verb" and stem(c.lead[-1]) == done for c in saying.clause.chunks)

    return votes(witnesses, says) >= BACKED


def _about_thing(noun: NounPhrase, told: _Told, parts: Looks, outer: Box) -> tuple[str, ...]:
    """That something is there; empty where it was named already, or is nothing that one could point at."""
    if noun.key in english.PERSONS | english.CLOTHES | english.UNPLACED | _PLACES or not told.is_new(noun):
        return ()
    whose = any(word.lower() in english.POSSESSIVES | {"'s", "of"} for word in noun.words)
    if whose or not told.concepts.isdisjoint(concepts(noun.head)):
        return ()
    found = replace(noun, adjectives=attributes(parts, noun))
    if found.before and found.before[0].lower() == "the":
        found = replace(found, before=() if noun.key in english.MASSES or noun.plural else ("a",))
    place = position(boxes(parts, noun.key), outer)
    if not place:
        return ()
    told.add([noun], found.words)
    return ("there", "are" if noun.plural else "is", *found.words, *place.split())


def verbatim(best: Saying, parts: Looks) -> list[Said]:
    """The caption, and those of parts that are for the most part of new words: for languages that are not read here."""
    said = [Said(prose(words_of(best.text)), best.box, best.logprob)]
    known = {word.lower() for word in words_of(best.text)}
    boxes: list[Box] = []
    for saying in sorted((look[0] for look in parts), key=_rank):
        words = {word.lower() for word in words_of(saying.text)}
        if len(said) == LONGEST or 2 * len(words & known) > len(words) or _near(saying.box, boxes):
            continue
        known |= words
        boxes.append(saying.box)
        said.append(Said(prose(words_of(saying.text)), saying.box, saying.logprob))
    return said


def _near(box: Box, boxes: Sequence[Box]) -> bool:
    return any(overlap(box, other) >= APART for other in boxes)
