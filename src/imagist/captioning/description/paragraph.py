"""Writes a short paragraph: a sentence about the whole image, then sentences about its parts, without repetitions.

A sentence about a part comes from the caption of that part. If the caption's subject is new, the sentence names it with
those phrases of the caption that other crops support and that are new (*On the left, a dog is running on a beach.*).
If not, the sentence names another new thing of the caption (*There is a bench on the left.*). A detail without support
from other crops is left out, because a short paragraph is better than a false one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from imagist.captioning.description import english
from imagist.captioning.description.chunker import words_of
from imagist.captioning.description.chunks import Chunk, Clause, NounPhrase
from imagist.captioning.description.crops import CropHypothesis, overlap, position
from imagist.captioning.description.english import stem
from imagist.captioning.description.evidence import MIN_VOTES, Evidence, attributes, boxes, names, votes
from imagist.captioning.description.prose import be, finite, to_prose, without_repeats
from imagist.captioning.description.record import Box, Statement
from imagist.captioning.description.sentence import is_worn, supported, topics

MAX_SENTENCES = 5
MIN_OBJECT_VOTES = 2.5  # votes that a new thing needs; a new person or animal needs `MIN_VOTES`
SAME_PLACE = 0.6  # overlap from which two crops are assumed to show the same thing

_PLACES = frozenset().union(*(scene for scene in english.SCENES if not {"water", "building"} & scene))


def paragraph(best: CropHypothesis, first: Clause, parts: Evidence, evidence: Evidence) -> list[Statement]:
    """Writes at most `MAX_SENTENCES` sentences.

    Args:
        best: The caption of the whole.
        first: That caption, enriched.
        parts: The hypotheses of each part, best first.
        evidence: The same with those of the whole.
    """
    if not english.is_english(words_of(best.text)):
        return verbatim(best, parts)
    sentences = [Statement(to_prose(finite(without_repeats(first))), best.box, best.logprob)]
    mentioned = _Mentioned(list(first.nouns), set(topics(first.words)))
    best_of = [part[0] for part in parts if part and english.is_english(words_of(part[0].text))]
    for hypothesis in sorted(best_of, key=lambda s: (-_subject_votes(s, evidence), *_rank(s))):
        if len(sentences) == MAX_SENTENCES:
            break
        if words := _subject_sentence(hypothesis, mentioned, parts, evidence, best.box):
            sentences.append(Statement(to_prose(words), hypothesis.box, hypothesis.logprob))
    things = [(votes(parts, names(n.key)), s, n) for s in best_of for n in s.clause.nouns]
    for count, hypothesis, noun in sorted(things, key=lambda t: (-t[0], *_rank(t[1]))):
        if len(sentences) == MAX_SENTENCES or count < MIN_OBJECT_VOTES:
            break
        if words := _object_sentence(noun, mentioned, parts, best.box):
            sentences.append(Statement(to_prose(words), hypothesis.box, hypothesis.logprob))
    return sentences


@dataclass
class _Mentioned:
    """What the paragraph has named so far: nouns, topics, and the boxes of its sentences."""

    nouns: list[NounPhrase]
    topics: set[str]
    boxes: list[Box] = field(default_factory=list)

    def add(self, nouns: Sequence[NounPhrase], words: Sequence[str]) -> None:
        self.nouns += nouns
        self.topics |= topics(words)

    def is_new(self, noun: NounPhrase) -> bool:
        """Whether a noun names something that was not named yet, or one of several things that were.

        A second person is assumed to be the first under another name, unless several were named.
        """
        same = [other for other in self.nouns if other.key == noun.key]
        if same:
            return not noun.plural and all(_several(other) for other in same)
        if noun.key in english.PERSONS:
            others = [other for other in self.nouns if other.key in english.PERSONS]
            return not others or (not noun.plural and any(_several(n) and n.key in english.CROWDS for n in others))
        return noun.key not in self.topics


def _several(noun: NounPhrase) -> bool:
    return noun.plural or noun.key in ("crowd", "team", "family", "couple")


def _rank(hypothesis: CropHypothesis) -> tuple[float, float, Box]:
    """Sort key: the more probable first, then that of the larger box."""
    x0, y0, x1, y1 = hypothesis.box
    return -hypothesis.per_word, -(x1 - x0) * (y1 - y0), hypothesis.box


def _subject_votes(hypothesis: CropHypothesis, evidence: Evidence) -> float:
    subject = hypothesis.clause.subject
    return min(votes(evidence, names(noun.key)) for noun in subject.nouns) if subject else 0.0


def _subject_sentence(
    hypothesis: CropHypothesis, mentioned: _Mentioned, parts: Evidence, evidence: Evidence, outer: Box
) -> tuple[str, ...]:
    """A sentence about the subject of a part's caption; empty if it is not new or lacks support."""
    subject = hypothesis.clause.subject
    if subject is None or _near(hypothesis.box, mentioned.boxes):
        return ()
    persons = all(noun.key in english.PERSONS | english.ANIMALS for noun in subject.nouns)
    if not persons or not all(mentioned.is_new(noun) for noun in subject.nouns):
        return ()
    if (named := supported(subject, evidence)) is None:
        return ()
    again = any(other.key == noun.key for noun in subject.nouns for other in mentioned.nouns)
    predicate = list(_predicate(hypothesis.clause, mentioned, evidence))
    place = position([box for noun in subject.nouns for box in boxes(parts, noun.key)], outer)
    is_new = any(chunk.nouns and not is_worn(chunk) for chunk in predicate)
    if not is_new and (again or not place):
        return ()
    mentioned.boxes.append(hypothesis.box)
    mentioned.add(
        [noun for chunk in (named, *predicate) for noun in chunk.nouns],
        [w for c in (named, *predicate) for w in c.words],
    )
    if any(chunk.role == "verb" for chunk in predicate):
        opening = (*place.split(), ",") if place else ()
        return opening + finite(Clause((named, *predicate)))
    phrases = tuple(word for chunk in predicate for word in chunk.words)
    return ("there", be(named), *named.words, *phrases, *place.split())


def _predicate(clause: Clause, mentioned: _Mentioned, evidence: Evidence) -> Iterator[Chunk]:
    """The chunks after the subject that have support and are new."""
    subject = clause.subject
    if subject is None:
        return
    known = mentioned.topics | topics(subject.words)
    for chunk in clause.chunks[clause.chunks.index(subject) + 1 :]:
        if chunk.role == "rest" or chunk.lead == ("and",):
            return
        kept = supported(chunk, evidence, MIN_OBJECT_VOTES)
        if kept is None or not known.isdisjoint(topics([word for noun in chunk.nouns for word in noun.words])):
            kept = None
        if chunk.role == "verb" and not (kept and _is_supported_action(chunk, evidence)):
            return  # the rest belongs to the verb
        if kept and chunk.role in ("verb", "prepositional") and not (is_worn(chunk) and kept != chunk):
            known |= topics(chunk.words)
            yield kept


def _is_supported_action(chunk: Chunk, evidence: Evidence) -> bool:
    """Whether enough crops support the action."""
    done = stem(chunk.lead[-1])

    def holds(hypothesis: CropHypothesis) -> bool:
        return any(c.role == "verb" and stem(c.lead[-1]) == done for c in hypothesis.clause.chunks)

    return votes(evidence, holds) >= MIN_VOTES


def _object_sentence(noun: NounPhrase, mentioned: _Mentioned, parts: Evidence, outer: Box) -> tuple[str, ...]:
    """A sentence that a thing is there; empty if it was named already, or cannot be pointed at."""
    if noun.key in english.PERSONS | english.CLOTHES | english.UNPLACED | _PLACES or not mentioned.is_new(noun):
        return ()
    is_owned = any(word.lower() in english.POSSESSIVES | {"'s", "of"} for word in noun.words)
    if is_owned or not mentioned.topics.isdisjoint(topics(noun.head)):
        return ()
    found = replace(noun, adjectives=attributes(parts, noun))
    if found.before and found.before[0].lower() == "the":
        found = replace(found, before=() if noun.key in english.MASSES or noun.plural else ("a",))
    place = position(boxes(parts, noun.key), outer)
    if not place:
        return ()
    mentioned.add([noun], found.words)
    return ("there", "are" if noun.plural else "is", *found.words, *place.split())


def verbatim(best: CropHypothesis, parts: Evidence) -> list[Statement]:
    """The caption, then captions of parts with mostly new words; for languages that the chunker does not parse."""
    sentences = [Statement(to_prose(words_of(best.text)), best.box, best.logprob)]
    known = {word.lower() for word in words_of(best.text)}
    boxes: list[Box] = []
    for hypothesis in sorted((part[0] for part in parts), key=_rank):
        words = {word.lower() for word in words_of(hypothesis.text)}
        if len(sentences) == MAX_SENTENCES or 2 * len(words & known) > len(words) or _near(hypothesis.box, boxes):
            continue
        known |= words
        boxes.append(hypothesis.box)
        sentences.append(Statement(to_prose(words_of(hypothesis.text)), hypothesis.box, hypothesis.logprob))
    return sentences


def _near(box: Box, boxes: Sequence[Box]) -> bool:
    return any(overlap(box, other) >= SAME_PLACE for other in boxes)
