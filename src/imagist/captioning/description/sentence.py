"""One sentence from the hypotheses about an image: a few words, the best caption, or the best with more put in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from imagist.captioning.description import english
from imagist.captioning.description.chunker import words_of
from imagist.captioning.description.chunks import Chunk, Clause
from imagist.captioning.description.english import stem
from imagist.captioning.description.evidence import BACKED, Looks, attributes, names, votes
from imagist.captioning.description.looks import Saying

SLACK = 0.25
"""Of log-probability a word: hypotheses that fall further behind the best caption add nothing to it."""

FEW = 7  # most words of detail 0
MOST = 24  # words that a sentence is not made longer than
ADDED = 2  # most phrases appended to a sentence


def headline(saying: Saying) -> str:
    """A few words: what the caption is about, and where that is.

    The noun phrases that the caption begins with, and the first of its phrases that puts them somewhere (*in a pool*,
    *on a bench*), if both fit in `FEW` words. A caption that is not English, or does not begin with a noun phrase, is
    given whole: where its verb is cannot be known.
    """
    if not english.is_english(words_of(saying.text)) or saying.clause.subject is None:
        return saying.text
    subject = saying.clause.subject
    for chunk in saying.clause.chunks:
        if _is_place(chunk) and len(subject.words) + len(chunk.words) <= FEW:
            return spelled(subject.words + chunk.words)
    return spelled(subject.words)


def enriched(best: Saying, wholes: Looks, witnesses: Looks) -> Clause:
    """The best caption with attributes and surroundings that other hypotheses give.

    What is put in: adjectives where the caption has none, what somebody wears, and up to `ADDED` phrases at the end of
    another kind than those that are there (beside what, where, when, with what). It comes from hypotheses about the
    whole that have the caption's subject and are no less likely than `SLACK` allows, and needs `BACKED` votes of the
    looks at the whole and at its parts. Nothing is taken out, so the words of the caption stay, in order; every word
    put in is one of another hypothesis.

    Args:
        best: The caption.
        wholes: The looks at the whole, hypotheses each.
        witnesses: All looks, at the whole and at parts of it.
    """
    if not english.is_english(words_of(best.text)) or best.clause.subject is None:
        return best.clause
    near = (s for look in wholes for s in look if _agrees(s, best) and s.per_word >= best.per_word - SLACK)
    others = sorted(near, key=lambda s: (-s.per_word, s.text))
    clause = described(best.clause, witnesses)
    clause = _dressed(clause, others, witnesses)
    for _ in range(ADDED):
        clause = next(_longer(clause, others, witnesses), clause)
    return clause


def described(clause: Clause, witnesses: Looks) -> Clause:
    """The clause with adjectives for nouns that have none, as far as the looks agree on them."""
    known = {stem(word) for word in clause.words}
    chunks = []
    for chunk in clause.chunks:
        nouns = []
        for noun in chunk.nouns:
            found = () if noun.adjectives or len(noun.head) > 1 else attributes(witnesses, noun)
            if found and not known & {stem(word) for word in found if word != "and"}:
                known |= {stem(word) for word in found}
                noun = replace(noun, adjectives=found)
            nouns.append(noun)
        chunks.append(replace(chunk, nouns=tuple(nouns)))
    return Clause(tuple(chunks))


def spelled(words: Sequence[str]) -> str:
    """Words as a text: *a* or *an* as the next word asks for, no space before punctuation."""
    text = ""
    for number, word in enumerate(words):
        if word.lower() in ("a", "an") and number + 1 < len(words):
            word = word[0] + ("n" if words[number + 1][0].lower() in "aeio" else "")
        joined = not text or word == "'s" or not re.match(r"[\w#&$]", word)
        text += word if joined else f" {word}"
    return text


def concepts(words: Sequence[str]) -> frozenset[str]:
    """What words speak of, whichever words they use: stems, and for places all that they might be called."""
    stems = {stem(word) for word in words if english.is_content(word)}
    return frozenset(stems.union(*(scene for scene in english.SCENES if scene & stems)))


def is_worn(chunk: Chunk) -> bool:
    """Whether a phrase says what somebody wears."""
    wears = chunk.lead and chunk.lead[-1].lower() in ("in", "wearing")
    return bool(wears and chunk.nouns and chunk.nouns[0].key in english.CLOTHES)


def _is_place(chunk: Chunk) -> bool:
    lead = "_".join(chunk.lead).lower()
    return chunk.role == "prepositional" and lead in english.STATIC and not is_worn(chunk)


def _agrees(saying: Saying, best: Saying) -> bool:
    """Whether a hypothesis has the caption's subject: the same heads, as many, in the same order."""
    subjects = [s.clause.subject for s in (saying, best)]
    if subjects[0] is None or subjects[1] is None:
        return False
    one, other = ([(n.key, n.plural) for n in subject.nouns] for subject in subjects if subject)
    return one == other


def _slot(chunk: Chunk) -> str:
    """The kind of thing that a phrase adds; a sentence has one of each."""
    if is_worn(chunk):
        return "worn"
    if chunk.nouns and chunk.nouns[-1].key in english.LIGHTS:
        return "light"
    lead = "_".join(chunk.lead).lower()
    return "relation" if lead in english.RELATIONS else "place" if lead != "with" else "with"


def _dressed(clause: Clause, others: Sequence[Saying], witnesses: Looks) -> Clause:
    """With what the subject wears, right after it, where one person is the subject and nothing is said of clothes."""
    subject = clause.subject
    if subject is None or len(subject.nouns) > 1 or any(noun.key in english.CLOTHES for noun in clause.nouns):
        return clause
    at = clause.chunks.index(subject) + 1
    for other in others:
        for chunk in other.clause.chunks[1:2]:
            if is_worn(chunk) and _fits(clause, chunk) and (worn := backed(chunk, witnesses)) == chunk:
                return Clause((*clause.chunks[:at], worn, *clause.chunks[at:]))
    return clause


def _longer(clause: Clause, others: Sequence[Saying], witnesses: Looks) -> Iterator[Clause]:
    """The clause with one more phrase at its end, the likeliest first."""
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
            if _fits(clause, chunk) and (told := backed(chunk, witnesses)):
                yield Clause((*clause.chunks, told))


def _fits(clause: Clause, chunk: Chunk) -> bool:
    """Whether a phrase says nothing that was said, and leaves the sentence short enough."""
    known = concepts(clause.words)
    new = concepts(chunk.words)
    return bool(new) and known.isdisjoint(new) and len(clause.words) + len(chunk.words) <= MOST


def backed(chunk: Chunk, witnesses: Looks, least: float = BACKED) -> Chunk | None:
    """The phrase with only those adjectives that the looks agree on; None where too few of them name its nouns."""
    if any(votes(witnesses, names(noun.key)) < least for noun in chunk.nouns):
        return None
    nouns = (
        noun if attributes(witnesses, noun) == noun.adjectives else replace(noun, adjectives=()) for noun in chunk.nouns
    )
    return replace(chunk, nouns=tuple(nouns))
