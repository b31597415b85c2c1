"""The embedded phrase table: what people say of images, from captions and names of classes, as short phrases.

``python -m imagist.training.embedded.phrases --data DIR --classes configs/embedded/class-names.toml`` writes the table
that `imagist.matching.phrases` opens as ``embedded``. The chunker of `imagist.captioning.description` splits captions:

- *nouns* with nouns before them: ``traffic light``;
- *nouns with an adjective*: ``red umbrella``;
- *actions*: a verb in -ing with its object or its place: ``riding a bike``, ``standing in the snow``;
- *settings*: a place with its preposition: ``on a beach``;
- the everyday words for classes of ImageNet, and the first names of its classes.

Of the forms of one word the most frequent is taken. Words that guess at age, sex, origin or looks of a person are
left out, or are *person* and *people*.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagist import settings
from imagist.captioning.description import english
from imagist.captioning.description.chunker import parse
from imagist.captioning.description.chunks import Chunk, NounPhrase
from imagist.captioning.description.english import stem
from imagist.datasets.captions import read
from imagist.matching.phrases import SHIPPED
from imagist.storage import write_text
from imagist.training.captioners.class_names import ClassNames, article

SIZES = {"nouns": 1500, "described": 1250, "actions": 950, "settings": 650}
"""The most frequent phrases of each kind that are taken."""

LEAST = 4
"""Captions that a phrase must be in."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PERSON = _words("man woman boy girl lady guy gentleman male female fellow dude gal mother father mom dad son daughter")
_PEOPLE = _words(
    "men women boys girls ladies guys gentlemen males females men's women's adults children kids teenagers"
)
_PEOPLE |= _words("sisters brothers youths females teens")
_LEFT_OUT = _words("""
    child kid baby toddler infant adult teenager teen youth elder senior sister brother husband wife african asian
    american indian oriental caucasian hispanic arab muslim jewish chinese japanese european ethnic tribal native
    pregnant naked nude topless sexy attractive pretty cute handsome ugly fat thin skinny bald blond blonde brunette
    redhead haired overweight chubby barefoot shirtless young old older elderly younger aged middle-aged teenage
    beautiful homeless disabled gay lesbian
""")
_VAGUE = _words("""
    thing things something someone other others one ones side front back top bottom middle end edge part parts piece
    pieces kind type kinds types sort lot lots bunch couple pair set group area way background foreground view photo
    picture image photograph pictures images shot close scene position direction distance left right center corner
    body arm arms hand hands leg legs head face mouth lap feet foot shoulder shoulders back eye eyes hair ear ears
    tongue item items object objects variety display amount number row line stack pile time day while it them him her
    self himself herself themselves itself each what which who that this these those there here all both another
    several many few some more most much such same different various next various camera looking attempt half
    trick air mid-air midair action fun level purpose inside outside name order color colors colour only we they our do
    use stuff upside decker covered taken seen made run runs off jumps jumping turn go back-to-back like plain asleep
    lit set sets close-up front-facing midst bit pass try type fall break clean straight filled lots way formation
    shown he she we see eaten far though intently around bent drawn driven fallen stuck visible upward tasty very lone
    delicious ben eastern smaller larger wheeler headfirst hipster war school skiis skiiers gray bigger really nice
    odd seems am unable playfully wild steady downward forward sideways gathered worn thrown given left-handed new good
    great extra single double multiple
    setting manner motion moment case ready full line lines place places process progress rest reach stage state
""")
_NOUNS = _words("""
    bike bikes slide hurdle boards dresses drinks skateboards swings bats frosting writing fight spray nap work catch
    snowboards dance icing moped peak float cook cooks cycle wakeboard meeting roll cross cast pose
    bat board camp dress drink fish kayak kite paddle paint parade pitch race raft sail skateboard ski skis sled smile
    smoke snow snowboard splash swing train trains watch wave waves wheel wheels light lights steps step stick sticks
    skates skate brush tie ties drum shop shops park play ride surf bed red shed seed weed sled beds sheds weeds seeds
    walk path bow bows sign cover bite land dip wrestling boxing skiing surfing skateboarding snowboarding painting
    drawing crossing cooking orange gold silver metal brick stone swimming racing climbing fishing
    camping sailing hiking cycling
""")
"""Nouns that look like verbs."""
_COLOURS = english.COLOURS - _words("light dark brightly colored coloured blond blonde brunette")
_LOOKS = english.SIZES | english.STATES - _words("dressed smiling happy laughing grinning public outdoor indoor")
_FURTHER = _words("""
    stuffed vintage antique modern parked flying fried grilled baked sliced fresh chocolate electric glass plaid white
    stone stainless leather floral striped polka-dot steel bright cloudy blooming wild rusty ripe hot cold frosted
""")
_DESCRIBING = (_COLOURS | _LOOKS | _FURTHER) - _LEFT_OUT
_PLACES = english.STATIC | _words("along across through over down up into onto under")
_NO_VERBS = _words("during being having looking doing getting using including according showing seeming containing")
_LEFT_OUT_STEMS = {stem(word) for word in _LEFT_OUT}
_SHAPE = re.compile(r"[a-z][a-z'-]*[a-z]")


@dataclass(frozen=True)
class _Data:
    class_names: ClassNames


@dataclass(frozen=True)
class _File:
    data: _Data


@dataclass
class Counts:
    """How often each phrase of a kind is in captions, by the stems of its words and by its form.

    Attributes:
        forms: For the stems of a phrase, its forms with their numbers.
    """

    forms: dict[tuple[str, ...], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, phrases: Iterable[str]) -> None:
        """Counts the phrases of one caption, each once."""
        for phrase in {*phrases}:
            self.forms[tuple(stem(word) for word in phrase.split() if word not in english.ARTICLES)][phrase] += 1

    def most(self, count: int, known: set[str]) -> list[str]:
        """The most frequent phrases, the most frequent form of each; those that are known are passed over."""
        best = [(-forms.total(), _most_frequent(forms)) for forms in self.forms.values()]
        kept = [phrase for number, phrase in sorted(best) if -number >= LEAST and phrase not in known]
        return kept[:count]


def _most_frequent(forms: Counter[str]) -> str:
    return min(forms, key=lambda form: (-forms[form], form))


def table(captions: Iterable[str], names: Iterable[str]) -> list[str]:
    """The phrases, by kind, the most frequent first; then the names that are none of them.

    Args:
        captions: Sentences.
        names: Of classes.
    """
    counts = {kind: Counts() for kind in SIZES}
    for caption in captions:
        found: dict[str, set[str]] = defaultdict(set)
        for kind, phrase in _phrases(caption):
            found[kind].add(phrase)
        for kind, phrases in found.items():
            counts[kind].add(phrases)
    chosen: dict[str, None] = {}
    for kind, size in SIZES.items():
        chosen |= dict.fromkeys(counts[kind].most(size, {*chosen}))
    stems = {tuple(map(stem, phrase.split())) for phrase in chosen}
    further = (name for name in names if _plain(name.split()) and tuple(map(stem, name.split())) not in stems)
    return [*(chosen | dict.fromkeys(further))]


def class_names(path: Path) -> list[str]:
    """Everyday words for groups of ImageNet's classes, then the names that people use first of each class."""
    own = settings.read(path, _File).data.class_names
    return [*own.groups, *own.synonyms, *(names[0].lower() for names in own.all_names)]


def _phrases(caption: str) -> Iterator[tuple[str, str]]:
    """The phrases of a caption, each with its kind."""
    verb: str | None = None
    for chunk in parse(caption.lower().strip(" .!")).chunks:
        nouns = [phrase for phrase in map(_Noun.of, chunk.nouns) if phrase]
        for noun in nouns:
            yield "nouns", noun.text
            if noun.described:
                yield "described", noun.described
        if chunk.role == "verb":
            verb = _action(chunk)
            if verb and nouns and chunk.nouns:
                yield "actions", f"{verb} {_with_article(chunk.nouns[0], nouns[0])}"
            elif verb:
                continue
        elif chunk.role == "prepositional" and nouns and " ".join(chunk.lead).replace(" ", "_") in _PLACES:
            place = f"{' '.join(chunk.lead)} {_with_article(chunk.nouns[0], nouns[0])}"
            yield "settings", place
            if verb:
                yield "actions", f"{verb} {place}"
        verb = None


@dataclass(frozen=True)
class _Noun:
    """A noun phrase without what guesses at a person.

    Attributes:
        text: The nouns.
        described: With one adjective before them; empty where none may be.
    """

    text: str
    described: str = ""

    @classmethod
    def of(cls, phrase: NounPhrase) -> _Noun | None:
        words = tuple(_neutral(word) for word in phrase.head[-2:])
        if words[0] in ("person", "people") or words[0] in _VAGUE:
            words = words[-1:]
        text = " ".join(words)
        plural = english.is_plural(words[-1])
        bare = words[-1] in english.ADJECTIVES and words[-1] not in _NOUNS
        if not _plain(words) or words[-1] in _VAGUE or bare or any(map(_is_verb, words)):
            return None
        if (plural or stem(words[-1]) in english.MASSES) and phrase.before and phrase.before[0] in ("a", "an"):
            return None  # the chunker, or who wrote it, was wrong
        person = stem(words[-1]) in english.PERSONS
        adjective = next((word for word in reversed(phrase.adjectives) if word in _DESCRIBING), None)
        if person or adjective is None or len(words) > 1:
            return cls(text)
        return cls(text, f"{adjective} {text}")


def _is_verb(word: str) -> bool:
    """Whether a word is one, as far as its form tells."""
    if word in _NOUNS or word in english.ING_NOUNS:
        return False
    return word.endswith(("ing", "ed")) or word in english.PAST or english.base_of(word) is not None


def _neutral(word: str) -> str:
    return "person" if word in _PERSON else "people" if word in _PEOPLE else word


def _plain(words: Sequence[str]) -> bool:
    """Whether all are words that a table may have."""
    return bool(words) and all(
        _SHAPE.fullmatch(word)
        and _LEFT_OUT_STEMS.isdisjoint(map(stem, word.split("-")))
        and word not in english.DETERMINERS
        and len(word) < 18
        for word in words
    )


def _with_article(phrase: NounPhrase, noun: _Noun) -> str:
    """The noun with the article that the caption gives it; none where it has none."""
    first = phrase.before[0] if phrase.before else ""
    if first in ("a", "an"):
        return f"{article(noun.text)} {noun.text}"
    return f"the {noun.text}" if first in ("the", "his", "her", "its", "their") else noun.text


def _action(chunk: Chunk) -> str | None:
    """The verb in -ing of a verb group."""
    last = chunk.lead[-1] if chunk.lead else ""
    usable = last.endswith("ing") and last not in _NO_VERBS and _SHAPE.fullmatch(last)
    return last if usable else None


def _captions(data: Path) -> Iterator[str]:
    """The sentences of Flickr8k's training split and of COCO."""
    for number in (0, 1):
        for record in read(data / "flickr8k" / f"train-{number}.parquet", content=False):
            yield from record.captions
    for annotation in json.loads((data / "coco_captions_val2017.json").read_text("utf-8"))["annotations"]:
        yield annotation["caption"]
    yield from (data / "coco_sentences.txt").read_text("utf-8").splitlines()


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the table and says how many phrases it has."""
    parser = argparse.ArgumentParser(description="Derives the embedded phrase table.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the captions")
    parser.add_argument("--classes", type=Path, required=True, metavar="FILE", help="class-names.toml")
    parser.add_argument("--out", type=Path, default=SHIPPED, metavar="FILE.txt", help="the table (default: shipped)")
    args = parser.parse_args(argv)
    found = table(_captions(args.data), class_names(args.classes))
    write_text(args.out, "".join(f"{phrase}\n" for phrase in found))
    sys.stdout.write(f"{len(found):,} phrases\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
