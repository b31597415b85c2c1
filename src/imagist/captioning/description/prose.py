"""Turns the words of a caption into a sentence of prose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imagist.captioning.description import english
from imagist.captioning.description.chunks import Chunk, Clause, NounPhrase
from imagist.captioning.description.english import stem
from imagist.captioning.description.sentence import is_worn, to_text


def be(subject: Chunk) -> str:
    """The form of *be* for a subject."""
    return "are" if len(subject.nouns) > 1 or subject.nouns[0].plural else "is"


def finite(clause: Clause) -> tuple[str, ...]:
    """The words of a clause with a finite verb; adds *is* or *are* if it has none (*a dog running*)."""
    subject = clause.subject
    if subject is None or clause.chunks[0] is not subject:
        return clause.words
    verbs = [chunk for chunk in clause.chunks if chunk.role == "verb"]
    if any(not chunk.lead[0].lower().endswith("ing") and chunk.lead[0] != "to" for chunk in verbs):
        return clause.words
    at = 1
    while at < len(clause.chunks) and is_worn(clause.chunks[at]) and clause.chunks[at].role == "prepositional":
        at += 1
    if verbs:
        at = clause.chunks.index(verbs[0])
    elif at == len(clause.chunks) or clause.chunks[at].role != "prepositional" or _may_hide_verb(subject):
        return clause.words
    before, after = (tuple(w for c in part for w in c.words) for part in (clause.chunks[:at], clause.chunks[at:]))
    return (*before, be(subject), *after)


def _may_hide_verb(subject: Chunk) -> bool:
    """Whether a noun of the subject may be an unknown verb, or one that does not agree with the subject."""
    heads = [word.lower() for noun in subject.nouns for word in noun.head]
    return len(heads) > 2 * len(subject.nouns) or any(english.base_of(word) or word in english.PAST for word in heads)


def without_repeats(clause: Clause) -> Clause:
    """Removes repetitions, such as *in a white shirt and a white shirt* or *on a beach at a beach*.

    The subject may repeat itself: two men may look alike.
    """
    chunks: list[Chunk] = []
    known: set[tuple[str, frozenset[str]]] = set()
    for chunk in clause.chunks:
        facts = {_facts(noun) for noun in chunk.nouns}
        if chunk.role == "prepositional" and facts <= known:
            continue
        known = set() if chunk.role == "nouns" else known | facts  # another subject may have the same facts
        kept: list[int] = []
        for number, noun in enumerate(chunk.nouns):
            if all(_facts(noun) != _facts(chunk.nouns[other]) for other in kept) or chunk is clause.subject:
                kept.append(number)
        joints = tuple(chunk.joints[number - 1] for number in kept[1:])
        chunks.append(replace(chunk, nouns=tuple(chunk.nouns[number] for number in kept), joints=joints))
    return Clause(tuple(chunks))


def _facts(noun: NounPhrase) -> tuple[str, frozenset[str]]:
    return noun.key, frozenset(stem(word) for word in noun.words if english.is_content(word))


def to_prose(words: Sequence[str]) -> str:
    """Joins words to a sentence with a capital and a full stop."""
    text = to_text(words)
    upper = text[:1].upper()
    first = upper if upper.lower() == text[:1] else text[:1]  # some letters do not come back: µ, ß
    return first + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
