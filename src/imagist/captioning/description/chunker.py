"""A light chunker: splits a caption into noun phrases, verb groups and prepositional phrases.

It applies these rules to the word classes of `english`; an unknown word counts as a noun:

1. A noun phrase starts with a determiner, a number, an adjective or any other word, and ends before a word that cannot
   be in one: a preposition, a form of *be*, a comma, a verb. *of* continues it (*a group of people*). *and* continues
   it between adjectives (*a brown and white dog*) and otherwise joins a second noun phrase (*a man and a dog*). Its
   head is its last word.
2. A word in -ing is a verb, except after a determiner or an adjective (*a smiling girl*) or in a known compound
   (*a swimming pool*). A word in -ed before a preposition and after a noun is a verb, too (*dressed in white*).
3. A word that can be a finite verb is one if it agrees with the noun before it: *a dog runs*, *two dogs run*; it is a
   noun in *a ski run*. Only the first noun phrase of a clause has such a verb; later ones follow *and* or *while*.
4. A preposition (or several: *down onto*) takes the noun phrase after it; without one it is an adverb.
5. *a photo of*, *there is* and the like at the start are a frame around the caption.
6. From *while*, *as*, *who*, *that* or *which* on, the rest is one chunk, which is not used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from imagist.captioning.description import english
from imagist.captioning.description.chunks import SEVERAL, Chunk, Clause, NounPhrase

_FRAME = re.compile(
    r"((this|it) is )?((an? |the )?(black and white )?(photo|photograph|picture|image|view|shot|close[- ]?up)"
    r"( photo| picture| view| shot)? of )+|there (is|are) |this is "
)


def words_of(text: str) -> list[str]:
    """The words and punctuation marks of a caption."""
    return re.findall(r"'s\b|\w+(?:[-’]\w+|'(?!s\b)\w+)*|[^\w\s]", text)


@lru_cache(maxsize=4096)
def parse(text: str) -> Clause:
    """The chunks of a caption. Their words in order are the caption's, without a final full stop."""
    words = words_of(text)
    while words and words[-1] in ".!":
        words.pop()
    return Clause(tuple(_Reader(words).chunks()))


def _frame(words: Sequence[str]) -> int:
    """The number of words of the frame at the start, such as *a photo of*; at least one word must follow."""
    found = _FRAME.match(" ".join(words) + " ")
    return len(found[0].split()) if found and len(found[0].split()) < len(words) else 0


_AUXILIARIES = english.BE | {"has", "have"}
_BEFORE_NOUNS = english.DETERMINERS | english.ADJECTIVES | {"of", "and", "'s"}


class _Reader:
    """Reads chunks from the start of the words."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._lower = [word.lower() for word in words]
        self._at = 0
        self._verb_at = -1  # position of the verb that ended the last noun phrase
        self._after_nouns = False  # whether the chunk before ends in a noun phrase
        self._finite = True  # whether a finite verb may follow
        self._several: frozenset[bool] | None = None  # number of the subject once it is read: one, several, or either

    def chunks(self) -> list[Chunk]:
        """All chunks."""
        found = [Chunk("frame", self._take(frame))] if (frame := _frame(self._lower)) else []
        while self._at < len(self._words):
            self._after_nouns = bool(found and found[-1].nouns)
            chunk = self._next(found)
            if chunk.role == "nouns" and found and found[-1].role == "verb" and not found[-1].nouns:
                chunk = Chunk("verb", found.pop().lead, chunk.nouns, chunk.joints)  # the verb's object
            elif chunk.role == "verb" and found and found[-1].role == "verb" and not found[-1].nouns and chunk.lead:
                chunk = Chunk("verb", found.pop().lead + chunk.lead, chunk.nouns, chunk.joints)
            found.append(chunk)
        return found

    def _next(self, found: list[Chunk]) -> Chunk:
        word = self._lower[self._at]
        if word in english.SUBORDINATORS and found:
            return Chunk("rest", self._take(len(self._words) - self._at))
        if self._infinitive(self._at):
            return Chunk("verb", self._take(2))
        if self._preposition(self._at):
            return self._prepositional()
        if word in english.BE:
            self._finite = False
            return Chunk("verb", self._take(1))
        if self._verb_at == self._at or self._is_verb(self._at):
            return self._verb()
        if word in english.ADVERBS:
            return Chunk("adverb", self._take(1))
        if word in english.CONJUNCTIONS or not re.search(r"\w", word):
            if found and self._at + 1 < len(self._words) and self._may_be_verb(self._at + 1):
                self._finite = True
            return Chunk("adverb", self._take(1))
        return self._nouns()

    def _take(self, count: int) -> tuple[str, ...]:
        taken = tuple(self._words[self._at : self._at + count])
        self._at += count
        return taken

    def _infinitive(self, at: int) -> bool:
        """Whether *to* and a verb are next."""
        here = self._lower[at : at + 2]
        return len(here) == 2 and here[0] == "to" and english.base_of(here[1]) == here[1]

    def _preposition(self, at: int) -> int:
        """The number of words of the preposition here; 0 if there is none."""
        if self._infinitive(at):
            return 0
        for words in english.COMPOUND_PREPOSITIONS:
            if tuple(self._lower[at : at + len(words)]) == words:
                return len(words)
        return int(self._lower[at] in english.PREPOSITIONS) if at < len(self._lower) else 0

    def _prepositional(self) -> Chunk:
        lead: tuple[str, ...] = ()
        while self._at < len(self._words) and (length := self._preposition(self._at)):
            lead += self._take(length)
        if self._at == len(self._words) or not self._starts_nouns(self._at):
            return Chunk("adverb", lead)
        nouns = self._nouns()
        return Chunk("prepositional", lead, nouns.nouns, nouns.joints)

    def _verb(self) -> Chunk:
        self._finite = self._finite and self._lower[self._at].endswith(("ing", "ed"))
        lead = self._take(1)
        while self._at < len(self._words) and self._lower[self._at].endswith("ing") and self._is_verb(self._at):
            lead += self._take(1)
        return Chunk("verb", lead)

    def _starts_nouns(self, at: int) -> bool:
        word = self._lower[at]
        other = english.BE | english.CONJUNCTIONS | english.SUBORDINATORS | {"to", "there"}
        if word in other or not re.search(r"\w", word) or self._preposition(at):
            return False
        return word not in english.ADVERBS or word in english.DETERMINERS

    def _nouns(self) -> Chunk:
        nouns, joints = [self._noun()], []
        while (joint := self._joint(nouns[-1])) and self._starts_nouns(self._at + joint):
            before = self._at
            joints.append(self._take(joint))
            nouns.append(self._noun())
            if nouns[-2].key in english.CLOTHES and nouns[-1].key in english.PERSONS:
                self._at = before  # in "a man in a shirt and a woman" the woman is not worn
                del joints[-1], nouns[-1]
                break
        if self._several is None:
            plural = len(nouns) > 1 or nouns[-1].plural
            self._several = frozenset({plural, not plural} if "of" in nouns[-1].before else {plural})
        return Chunk("nouns", (), tuple(nouns), tuple(joints))

    def _joint(self, last: NounPhrase) -> int:
        """How many words join another noun phrase to the last: ``and``, ``or``, ``,`` or ``, and``."""
        here = self._lower[self._at : self._at + 2]
        joint = 2 if here == [",", "and"] else int(bool(here) and here[0] in ("and", "or", ","))
        after = self._at + joint
        if not joint or after >= len(self._lower) or self._may_be_verb(after, last.plural):
            return 0
        return joint

    def _noun(self) -> NounPhrase:
        """One noun phrase; takes at least one word."""
        start, split, head = self._at, self._at, self._at
        while self._at < len(self._words) and (self._at == start or self._goes_on(start)):
            word = self._lower[self._at]
            of = word == "of"
            self._at += 1
            if of or (word in english.DETERMINERS and self._at - 1 == split):
                split = head = self._at
                if self._at < len(self._words) and self._lower[self._at] in english.DETERMINERS:
                    split = head = self._at + 1
            elif (word in english.ADJECTIVES and head == self._at - 1) or (
                word in english.CONJUNCTIONS and head == self._at - 1
            ):
                head = self._at
        end = self._at
        split = min(split, end - 1)
        head = min(max(head, split), end - 1)
        words = self._words
        return NounPhrase(tuple(words[start:split]), tuple(words[split:head]), tuple(words[head:end]))

    def _goes_on(self, start: int) -> bool:
        """Whether the word here belongs to the noun phrase that began at ``start``."""
        at, word, before = self._at, self._lower[self._at], self._lower[self._at - 1]
        if word == "'s":
            return True
        if word == "of":
            return at + 1 < len(self._lower) and before not in english.DETERMINERS and self._starts_nouns(at + 1)
        if before == "of" or before == "'s":
            return self._starts_nouns(at) or word in english.DETERMINERS
        if word in english.CONJUNCTIONS:
            after = self._lower[at + 1] if at + 1 < len(self._lower) else ""
            return before in english.ADJECTIVES and bool(after) and after in english.ADJECTIVES
        if before in english.DETERMINERS and word in english.ADVERBS:
            return True  # a back flip
        if not self._starts_nouns(at) or (word in english.DETERMINERS and before not in english.DETERMINERS):
            return False
        if self._is_verb(at, start):
            self._verb_at = at
        return self._verb_at != at

    def _is_verb(self, at: int, start: int | None = None) -> bool:
        """Whether the word is a verb, in a noun phrase that began at ``start`` or at the start of one."""
        word, before = self._lower[at], self._lower[at - 1] if at else ""
        first = start is None
        after_noun = self._after_nouns if first else before not in _BEFORE_NOUNS
        if word.endswith("ing") and word not in english.ING_NOUNS and len(word) > 4:
            compound = at + 1 < len(self._lower) and f"{word}_{self._lower[at + 1]}" in english.ING_COMPOUNDS
            return not compound and (after_noun or (first and at > 0))
        if (word.endswith("ed") and len(word) > 3) or word in english.PAST:
            return before in _AUXILIARIES or (after_noun and (word in english.PAST or self._phrase_follows(at)))
        base = english.base_of(word)
        if base is None or before in english.COMPOUNDING:
            return self._finite and base is None and start is not None and self._cannot_be_head(at, start)
        if not self._finite:
            return False
        if first or self._several is not None:
            return (after_noun or (first and at > 0)) and (self._several is None or (word == base) in self._several)
        assert start is not None
        several = english.is_plural(before) or self._lists(start, at)
        return after_noun and (several == (word == base) or "of" in self._lower[start:at])

    def _phrase_follows(self, at: int) -> bool:
        """Whether a preposition or a determiner comes next."""
        after = self._lower[at + 1] if at + 1 < len(self._lower) else ""
        return self._preposition(at + 1) > 0 or after in english.DETERMINERS

    def _lists(self, start: int, at: int) -> bool:
        """Whether the noun phrase up to here names several: *two*, or *and* between nouns (not adjectives)."""
        words = self._lower[max(0, start - 1) : at]
        joins = any(w == "and" and (n == 0 or words[n - 1] not in english.ADJECTIVES) for n, w in enumerate(words))
        return joins or not (SEVERAL - {"and"}).isdisjoint(words)

    def _cannot_be_head(self, at: int, start: int) -> bool:
        """Whether the word ends in -s after *a*, and no noun that *a* could belong to follows: *a dog burrows into*."""
        alone = at + 1 == len(self._lower) or self._phrase_follows(at) or not self._starts_nouns(at + 1)
        singular = self._lower[start] in ("a", "an", "one") and "of" not in self._lower[start:at]
        return singular and alone and self._several is None and at - start > 1 and english.is_plural(self._lower[at])

    def _may_be_verb(self, at: int, plural: bool | None = None) -> bool:
        """Whether the word after ``and`` is another verb of the same subject: ``sits and reads``."""
        word = self._lower[at]
        if word.endswith("ing") and word not in english.ING_NOUNS:
            return True
        base = english.base_of(word)
        return base is not None and not english.is_plural(word) if plural else base is not None and word != base
