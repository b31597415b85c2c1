r"""The tokens of captioning papers: Penn Treebank tokens in lower case, without punctuation.

pycocoevalcap splits sentences with Stanford's PTBTokenizer 3.4.1 (``-preserveLines -lowerCase``), a Java program, and
removes punctuation. `tokenize` returns the same tokens without Java, for all of 60,000 captions of COCO and Flickr8k.
Of some hundred thousand strings made to be difficult, one in a thousand differs, mostly addresses next to emoji or
entities.

After a single letter with a period the program reads beyond the end of the line. pycocoevalcap splits all sentences in
one run, so the tokens of one depend on the next; `tokenize_lines` does the same. `tokenize` assumes that the next
sentence starts with "A", as captions do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

_WRITTEN_OTHERWISE = {"&amp;": "&", "&apos;": "'", "&quot;": '"', "&nbsp;": " ", "\xa0": " "}
_TO_REWRITE = re.compile(  # emoji part words as spaces do; &quot; and &apos; in capitals are tokens of their own
    "|".join(_WRITTEN_OTHERWISE) + "|&(?i:amp|nbsp);|[\U00010000-\U0010ffff]"
)

# A bare letter is a letter of any script, but no letter-like number such as ² or Ⅷ. Plain words may also hold accents
# written as characters of their own, and soft hyphens, which they lose. A mark is a letter or a digit.
_BARE_L = r"[^\W\d_²³¹¼-¾⁰⁴-⁹₀-₉⅐-ↂↅ-↉①-⒛⓪-⓿❶-➓\u3007\u3021-\u3029]"
_BARE_W = rf"(?:{_BARE_L}|\d)"
_L = rf"(?:{_BARE_L}|[\xad\u02c2-\u02c5\u02d2-\u02df\u0300-\u036f])"
_W = rf"(?:{_L}|\d)"
_SYMBOL = (
    r"!-/:-@[-`{-~¡-©«¬®-´¶-¹»¿×÷\u2013-\u2023\u2026\u2030-\u203b\u203e-\u2042\u2044\u2070\u2074-\u208e\u20a0"
    r"\u20a4\u20ac\u2100-\u214f\u2155-\u215e\u2190-\u2bff\u3001\u3002\u3012\u30fb\uff01-\uff65"
    r"\uffe0\uffe1\uffe5\uffe6"
)
_MARKUP = r"<[!/?]?[A-Za-z][\w\s:.=\"'/-]*>"
_HOST = rf"(?:(?![A-Z]){_L})+"  # of an address without www
_WORD = rf"{_L}{_W}*(?:[.!?]{_L}{_W}*)*"
_NUMBER = r"(?:\d*(?:[.:,\xad]\d+)+|\d+)"
_PREFIXED = rf"(?:[DdLlOo]['’‘`]{_BARE_W})?{_BARE_W}+"
_COMPOUND = r"[A-Za-z0-9][A-Za-z0-9.,\xad]*(?:-(?:[A-Za-z](?:\.[A-Za-z])+\.|[A-Za-z0-9\xad]+))+"
_CLITIC = r"['’](?i:[msd]|re|ve|ll)"

_TITLES = """
    adj adm adv alex assoc asst atty ave brig capt cf cie cmdr col comdr cpl dept det dr drs elec ens ft gen gov
    govs hon insp invt jos lieut lt maj messrs mfg mlle mme mr mrs ms msgr mt mtg natl pfc ph pres prof profs pvt
    rep reps rev sen sens sfc sgt spc st ste supt treas vs wm
"""
_ABBREVIATIONS = """
    al ala apr ariz assn aug bhd bldg blvd bros calif co colo conn corp cos ct dak dec esq est etc ext feb fla fri
    ga inc ind intl jan jr jul jun kan kans ky ltd mar md mich minn mo mon mont neb nev nov oct okla penn plc pte
    pty rd rt sep sept seq sq sr sys tel tenn thu thurs tue tues univ va vt wed wis wisc wyo
"""
_CAPITAL_ABBREVIATIONS = "ark az del ill la mass miss ore pa tex wash"
_NUMBERED_ABBREVIATIONS = "art ca fig figs no nos op pp prop"
_OPENERS = """
    A About According Additionally After An As At But Earlier He Her Here However If In It Last Many More Now Once One
    Other Our She Since So Some Such That The Their Then There These They This We What When While Yet You
"""
_SUFFIXES = """
    bat bmp c cgi class cpp dll doc docx exe gif gz h htm html jar java jpeg jpg mov mp3 pdf php pl png ppt ps py sql
    tar txt wav x xml zip
"""


def _any(words: str) -> str:
    return f"(?:{'|'.join(words.split())})"


# The token is group 1 of a rule; the text after it must match too, and counts when rules compete.
_RULES = tuple(
    re.compile(rule)
    for rule in (
        # markup, addresses
        rf"({_MARKUP})",
        r"""((?i:https?)://[^\s"<>|(){}]+\.[^\s"<>|(){}]+(?<![.!?{},-]))""",
        rf"""((?:www\.(?:[\w-]+\.)+[A-Za-z]{{2,4}}|{_HOST}(?:\.{_HOST})*\.(?i:com|net|org|edu))"""
        r"""(?:/[^\s"<>|(){}]{2,}(?<![.!?{},-]))?)""",
        r"""([A-Za-z0-9][^\s"<>|(){}]*@[^\s"<>|(){}.][^\s"<>|(){}]*(?<!\.))""",
        rf"(@[A-Za-z_][A-Za-z0-9_]*|#{_L}+)",
        # two words written as one
        r"(?i:(can)not)",
        r"(?i:(gon|wan)na)",
        r"(?i:(got)ta)",
        r"(?i:(gim|lem)me)",
        r"(?i:('t)(?:is|was))",
        r"([A-Za-z\xad]*[A-MO-Za-mo-z]\xad*)[nN]['’‘`][tT]",
        r"([nN]['’‘`][tT])",
        rf"({_WORD}){_CLITIC}",
        rf"({_CLITIC})[^A-Za-z]",
        rf"([Yy]['’]){_L}",
        # words with an apostrophe
        r"(['’](?i:em|till?|cause|n['’]?|[2-9]0s))",
        r"(['’]\d\d)\s",
        r"([DdJjLl]['’]|(?i:ol|dunkin|somethin)['’]|[Oo]['’‘][Oo])",
        r"(?i:((?:c'm|ev'r|s'mor)(?:on|y|es)|c'est|e'er|li'l|nat'l|cap['’]n|nor'easter))",
        rf"([Qq]u['’‘`]{_BARE_L}+|[DdLlOo]['’‘`]{_BARE_W}{_BARE_W}+|[A-HJ-XZn]['’‘`]{_BARE_L}{_BARE_L}+)",
        rf"({_BARE_L}+[AEIOUYaeiouy]['’‘`][aeiouA-Z]{_BARE_L}*)",
        r"(')[A-Za-z]\S",
        rf"({_CLITIC})",
        rf"({_WORD}|{_BARE_W}+)",
        # abbreviations
        r"([A-Za-z](?:\.[A-Za-z])+\.)",
        rf"({_W}+(?:\.{_W}+)*\.(?i:{_any(_SUFFIXES)}))[\s.,!?]",
        rf"([A-Za-z])\.\s+(?:(?=[A-Z])(?i:{_any(_OPENERS)}|M[rs]\.)\s|{_MARKUP})",
        r"([A-Za-z]\.)",
        rf"((?i:{_any(_TITLES)})\.)",
        rf"((?i:{_any(_ABBREVIATIONS)}|(?:ed|ph)\.d)\.)(?:(?s:..)|(?s:.)?\Z)",
        rf"((?=[A-Z])(?i:{_any(_CAPITAL_ABBREVIATIONS)})\.)(?:(?s:..)|(?s:.)?\Z)",
        rf"((?i:{_any(_NUMBERED_ABBREVIATIONS)})\.)(?:[^\S\n]*|\n)\d",
        rf"((?:{_WORD}|{_W}+|[A-Za-z0-9][A-Za-z0-9.,]*(?:-[A-Za-z0-9]+)+)\.)[,;:]",
        # compounds
        rf"({_PREFIXED}(?:[-_‐‑֊]{_PREFIXED})+)",
        rf"({_COMPOUND})",
        r"([A-Za-z0-9]+(?:-[A-Za-z]+){0,2}(?:/[A-Za-z0-9]+(?:-[A-Za-z]+){0,2}){1,2})",
        r"([A-Z]+(?:[+&][A-Z]+)+|[Cc]\+\+|[CFcf]#)",
        # numbers
        rf"([-+]?{_NUMBER})",
        r"((?:\d{1,4}[- ])?\d{1,4}[/⁄]\d{1,4})",
        r"((?:\(\d{2,3}\) ?|\+{0,2}(?:\d{2,4}[- ])?\d{2,4}[- ])\d{3,4}[- ]?\d{3,5})",
        r"([A-Z]*\$)",
        # faces
        r"([<>]?[:;=]['*o-]?[()DPpdO\\[\]{@|])[^A-Za-z0-9]",
        r"([-^x=~<>']_[-^x=~<>']|\([-^x=~<>'][_.]?[-^x=~<>']\))",
        # the rest
        r"(-(?i:[lr][rcs]b)-)",
        r"(\.\.\.+|[?!]+|--+|''|[`‘-‟‹›«»]{2}|<<|>>|_+|\*+|(?:\\\*){1,3}|@+|#+|[²³¹⁰⁴-⁹₀-₉]+|&(?i:[lg]t|quot|apos);)",
        rf"([{_SYMBOL}½¼¾⅓⅔])",
    )
)
_ACROSS_SPACE = re.compile(r"[\d<]|(?<![^\W_])[A-Za-z]\.")  # what may make a token of two words, or ask for the next
_ASKS_FOR_NEXT = re.compile(rf"(?:\b(?i:{_any(_NUMBERED_ABBREVIATIONS)})|['’]\S*[A-Za-z])\.\s*$")

_NOT_PLAIN = frozenset({"cannot", "gonna", "wanna", "gotta", "gimme", "lemme"}).union(
    *(words.split() for words in (_TITLES, _ABBREVIATIONS, _CAPITAL_ABBREVIATIONS, _NUMBERED_ABBREVIATIONS))
)
_NEXT_SENTENCE = "\nA "

_REWRITTEN = str.maketrans({" ": "\xa0", "(": "-lrb-", ")": "-rrb-"})
_REWRITTEN_ALONE = {
    "[": "-lsb-",
    "]": "-rsb-",
    "{": "-lcb-",
    "}": "-rcb-",
    "£": "#",
    "€": "$",
    "₠": "$",
    "¢": "cents",
    "¼": "1/4",
    "½": "1/2",
    "¾": "3/4",
    "⅓": "1/3",
    "⅔": "2/3",
    "&lt;": "<",
    "&gt;": ">",
}
_STRAIGHT = str.maketrans(
    {**dict.fromkeys("‘‛‹", "`"), **dict.fromkeys("’›", "'"), **dict.fromkeys("“«", "``"), **dict.fromkeys("”»", "''")}
)
_STRAIGHTENED = re.compile(r"['’](?:[msd]|re|ve|ll)|n['’‘`]t|['`‘-‟‹›«»]+")
_WITHOUT_SOFT_HYPHENS = re.compile(rf"{_WORD}|{_COMPOUND}|[-+]?{_NUMBER}")
_PUNCTUATION = frozenset([*".?!,:;-'`\"…–—―", "''", "``", "--", "---", "----"])


def tokenize(text: str) -> list[str]:
    """Tokens of a sentence, in lower case, without punctuation; none holds a space, though a fraction holds U+00A0."""
    tokens = _cut_chunks(text)
    return _cut(text, _NEXT_SENTENCE) if tokens is None else tokens


def tokenize_lines(sentences: Sequence[str]) -> list[list[str]]:
    """As `tokenize` for each of N sentences, where each is followed by the next and the last by nothing."""
    found = []
    for number, sentence in enumerate(sentences, start=1):
        is_open = number == len(sentences) or _ASKS_FOR_NEXT.search(sentence)
        tokens = None if is_open else _cut_chunks(sentence)
        found.append(_cut(sentence, _following(sentences, number)) if tokens is None else tokens)
    return found


def tokenized(sentences: Sequence[str]) -> list[str]:
    """The tokens of N sentences as `tokenize_lines` gives them, joined by single spaces."""
    return [" ".join(tokens) for tokens in tokenize_lines(sentences)]


def tokenized_items(items: Sequence[Sequence[str]]) -> list[list[str]]:
    """As `tokenized`, for the sentences of N items one after another."""
    tokens = iter(tokenized([sentence for item in items for sentence in item]))
    return [list(islice(tokens, len(item))) for item in items]


def _following(sentences: Sequence[str], start: int) -> str:
    """What follows a sentence: line ends, and the sentences up to the first that is not blank."""
    after = ""
    for sentence in islice(sentences, start, None):
        after += "\n" + sentence.replace("\n", " ")
        if sentence.strip():
            return after if sentence is sentences[-1] else after + "\n"
    return after


def _cut_chunks(text: str) -> list[str] | None:
    """The tokens of a sentence; None if they depend on more than what is between two spaces."""
    tokens: list[str] = []
    for chunk in text.split():
        cut = _cut_chunk(chunk)
        if cut is None:
            return None
        tokens += cut
    return tokens


@lru_cache(maxsize=1 << 16)
def _cut_chunk(chunk: str) -> tuple[str, ...] | None:
    """The tokens of the text between two spaces; None if they depend on the text beyond."""
    word = chunk[:-1] if chunk[-1] in ".," else chunk
    if word.isascii() and word.isalpha() and (lower := word.lower()) not in _NOT_PLAIN and len(word) > 1:
        return (lower,)
    return None if _ACROSS_SPACE.search(chunk) else tuple(_cut(chunk, _NEXT_SENTENCE))


def _cut(text: str, after: str) -> list[str]:
    """The longest match from left to right, of equal ones the first rule's; unmatched text is left out.

    Args:
        text: A sentence.
        after: What follows it.
    """
    text = _TO_REWRITE.sub(lambda match: _WRITTEN_OTHERWISE.get(match[0].lower(), " "), text)
    tokens = []
    at, end = 0, len(text)
    text += after
    while at < end:
        matches = [match for rule in _RULES if (match := rule.match(text, at))]
        if not matches:
            at += 1
            continue
        best = max(matches, key=re.Match.end)
        at = best.end(1)
        token = best[1].lower()
        if "\xad" in token and _WITHOUT_SOFT_HYPHENS.fullmatch(token):
            token = token.replace("\xad", "")
        token = token.translate(_STRAIGHT if _STRAIGHTENED.fullmatch(token) else _REWRITTEN)
        token = _REWRITTEN_ALONE.get(token, token)
        if token not in _PUNCTUATION and token.strip("."):
            tokens.append(token)
    return tokens
