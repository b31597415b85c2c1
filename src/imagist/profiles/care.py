"""Words about who people are, which profiles neither rank by nor aggregate: they are about what posts show.

English only. The list is short on purpose: it holds words that say little else than a person's gender, origin, health,
beliefs or identity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from imagist.errors import UsageError

_GENDER = {
    "person": "man woman boy girl lady gentleman guy male female transgender nonbinary",
    "people": "men women boys girls ladies gentlemen guys males females",
    "their": "his her",
    "they": "he she",
}
"""Words that captions say of people, by what stands for them without the guess."""

_OTHERS = (
    "age ages aged gender genders sex elderly teenage teenager teenagers middle-aged",
    "ethnicity ethnic race races racial nationality caucasian asian asians african africans hispanic hispanics",
    "latino latina latinos latinas arab arabs",
    "pregnant disabled disability obese overweight depressed anorexic diabetic hiv",
    "religion religious belief beliefs christian christians muslim muslims jewish jew jews hindu hindus",
    "buddhist buddhists atheist atheists",
    "republican republicans democrat democrats conservative conservatives liberal liberals socialist socialists",
    "gay lesbian lesbians bisexual homosexual heterosexual queer lgbt",
)

_NEUTRAL = {word: plain for plain, words in _GENDER.items() for word in words.split()}
_PERSONAL = frozenset({*_NEUTRAL, *" ".join(_OTHERS).split()} - {"his", "her", "he", "she"})
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


def personal_words(text: str) -> list[str]:
    """The words of a text that are about who people are, in order."""
    return [word for word in _WORD.findall(text.lower()) if word in _PERSONAL]


def check_impersonal(texts: Iterable[str], item: str) -> None:
    """Makes sure that texts, such as names of categories, are not about who people are.

    Args:
        texts: Any number.
        item: What they are, for the error.

    Raises:
        UsageError: One is.
    """
    if found := [word for text in texts for word in personal_words(text)]:
        raise UsageError(
            f"profiles are about what posts show, not about who people are: {', '.join(dict.fromkeys(found))}",
            item=item,
            remedy="leave these words out",
        )


def impersonal(caption: str) -> str:
    """A caption without its guesses at people's gender: ``a woman`` is ``a person``; words in lower case."""
    return _WORD.sub(lambda found: _NEUTRAL.get(found[0].lower(), found[0]), caption)
