"""Writes one sentence from the hypotheses about an image: a few words, or the best caption with additions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from imagist.captioning.description import english
from imagist.captioning.description.chunker import words_of
from imagist.captioning.description.chunks import Chunk, Clause
from imagist.captioning.description.crops import CropHypothesis
from imagist.captioning.description.english import stem
from imagist.captioning.description.evidence import MIN_VOTES, Evidence, attributes, names, votes

MAX_GAP = 0.25
"""Log-probability a word by which a hypothesis may be less probable than the best caption and still add to it."""

MAX_HEADLINE_WORDS = 7  # of detail 0
MAX_WORDS = 24  # of a sentence with additions
MAX_ADDED = 2  # phrases appended to a sentence


def headline(hypothesis: CropHypothesis) -> str:
    """A few words: the subject of a caption and its place.

    The noun phrases at the start of the caption and its first phrase of place (*in a pool*, *on a bench*), if both fit
    in `MAX_HEADLINE_WORDS` words. A caption that is not English or does not start with a noun phrase is returned whole.
    """
    if not english.is_english(words_of(hypothesis.text)) or hypothesis.clause.subject is None:
        return hypothesis.text
    subject = hypothesis.clause.subject
    for chunk in hypothesis.clause.chunks:
        if _is_place(chunk) and len(subject.words) + len(chunk.words) <= MAX_HEADLINE_WORDS:
            return to_text(subject.words + chunk.words)
    return to_text(subject.words)


def enriched(best: CropHypothesis, wholes: Evidence, evidence: Evidence) -> Clause:
    """The best caption with attributes and surroundings from other hypotheses.

    Added are adjectives for nouns without any, what a person wears, and up to `MAX_ADDED` phrases at the end, each of a
    kind that the sentence lacks (with, place, relation, light). They come from hypotheses about the whole that have the
    caption's subject and are at most `MAX_GAP` less probable, and need `MIN_VOTES` votes of all crops. Nothing is
    removed, so the words of the caption stay in order.

    Args:
        best: The caption.
        wholes: The hypotheses of each crop of the whole.
        evidence: The hypotheses of all crops.
    """
    if not english.is_english(words_of(best.text)) or best.clause.subject is None:
        return best.clause
    near = (s for crop in wholes for s in crop if _agrees(s, best) and s.per_word >= best.per_word - MAX_GAP)
    others = sorted(near, key=lambda s: (-s.per_word, s.text))
    clause = with_adjectives(best.clause, evidence)
    clause = _with_clothes(clause, others, evidence)
    for _ in range(MAX_ADDED):
        clause = next(_with_phrase(clause, others, evidence), clause)
    return clause


def with_adjectives(clause: Clause, evidence: Evidence) -> Clause:
    """The clause with adjectives for nouns without any, where the crops agree on them."""
    known = {stem(word) for word in clause.words}
    chunks = []
    for chunk in clause.chunks:
        nouns = []
        for noun in chunk.nouns:
            found = () if noun.adjectives or len(noun.head) > 1 else attributes(evidence, noun)
            if found and not known & {stem(word) for word in found if word != "and"}:
                known |= {stem(word) for word in found}
                noun = replace(noun, adjectives=found)
            nouns.append(noun)
        chunks.append(replace(chunk, nouns=tuple(nouns)))
    return Clause(tuple(chunks))


def to_text(words: Sequence[str]) -> str:
    """Joins words to a text: *a* or *an* by the next word, no space before punctuation."""
    text = ""
    for number, word in enumerate(words):
        if word.lower() in ("a", "an") and number + 1 < len(words):
            word = word[0] + ("n" if words[number + 1][0].lower() in "aeio" else "")
        joined = not text or word == "'s" or not re.match(r"[\w#&$]", word)
        text += word if joined else f" {word}"
    return text


def topics(words: Sequence[str]) -> frozenset[str]:
    """The topics of words: their stems, and for places also the stems of synonyms."""
    stems = {stem(word) for word in words if english.is_content(word)}
    return frozenset(stems.union(*(scene for scene in english.SCENES if scene & stems)))


def is_worn(chunk: Chunk) -> bool:
    """Whether a phrase is about what a person wears."""
    wears = chunk.lead and chunk.lead[-1].lower() in ("in", "wearing")
    return bool(wears and chunk.nouns and chunk.nouns[0].key in english.CLOTHES)


def _is_place(chunk: Chunk) -> bool:
    lead = "_".join(chunk.lead).lower()
    return chunk.role == "prepositional" and lead in english.STATIC and not is_worn(chunk)


def _agrees(hypothesis: CropHypothesis, best: CropHypothesis) -> bool:
    """Whether a hypothesis has the caption's subject: the same heads in the same order."""
    subjects = [s.clause.subject for s in (hypothesis, best)]
    if subjects[0] is None or subjects[1] is None:
        return False
    one, other = ([(n.key, n.plural) for n in subject.nouns] for subject in subjects if subject)
    return one == other


def _slot(chunk: Chunk) -> str:
    """The kind of a phrase; a sentence has one of each."""
    if is_worn(chunk):
        return "worn"
    if chunk.nouns and chunk.nouns[-1].key in english.LIGHTS:
        return "light"
    lead = "_".join(chunk.lead).lower()
    return "relation" if lead in english.RELATIONS else "place" if lead != "with" else "with"


def _with_clothes(clause: Clause, others: Sequence[CropHypothesis], evidence: Evidence) -> Clause:
    """Adds what the subject wears after it, if the subject is one person and the clause names no clothes."""
    subject = clause.subject
    if subject is None or len(subject.nouns) > 1 or any(noun.key in english.CLOTHES for noun in clause.nouns):
        return clause
    at = clause.chunks.index(subject) + 1
    for other in others:
        for chunk in other.clause.chunks[1:2]:
            if is_worn(chunk) and _fits(clause, chunk) and (worn := supported(chunk, evidence)) == chunk:
                return Clause((*clause.chunks[:at], worn, *clause.chunks[at:]))
    return clause


def _with_phrase(clause: Clause, others: Sequence[CropHypothesis], evidence: Evidence) -> Iterator[Clause]:
    """The clause with one more phrase at its end; the most probable first."""
    if clause.chunks[-1].role == "rest" or clause.verb is None:
        return
    slots = {_slot(chunk) for chunk in clause.chunks if chunk.role == "prepositional"}
    verb = stem(clause.chunks[clause.verb].lead[-1])
    for other in others:
        if other.clause.verb is None:
            continue
        same = stem(other.clause.chunks[other.clause.verb].lead[-1]) == verb
        for chunk in other.clause.chunks[other.clause.verb + 1 :]:
            stays = "_".join(chunk.lead).lower() in english.STATIC
            if chunk.role != "prepositional" or not (stays or same) or _slot(chunk) in slots | {"worn"}:
                continue
            if _fits(clause, chunk) and (kept := supported(chunk, evidence)):
                yield Clause((*clause.chunks, kept))


def _fits(clause: Clause, chunk: Chunk) -> bool:
    """Whether a phrase has only new topics and leaves the sentence short enough."""
    known = topics(clause.words)
    new = topics(chunk.words)
    return bool(new) and known.isdisjoint(new) and len(clause.words) + len(chunk.words) <= MAX_WORDS


def supported(chunk: Chunk, evidence: Evidence, min_votes: float = MIN_VOTES) -> Chunk | None:
    """The phrase with the adjectives that the crops agree on; None if too few of them name its nouns."""
    if any(votes(evidence, names(noun.key)) < min_votes for noun in chunk.nouns):
        return None
    nouns = (
        noun if attributes(evidence, noun) == noun.adjectives else replace(noun, adjectives=()) for noun in chunk.nouns
    )
    return replace(chunk, nouns=tuple(nouns))
