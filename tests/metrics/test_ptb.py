"""The tokens: recorded answers of Stanford's tokeniser, the tokeniser itself where there is Java, and properties."""

from __future__ import annotations

import json
import os
import random
import shutil
import string
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagist.metrics.ptb import tokenize, tokenize_lines

RECORDED: dict[str, list[str]] = json.loads(Path(__file__).with_name("ptb_tokens.json").read_text())
PUNCTUATION = {*".?!,:;-'`", "''", "``", "--", "...", "-LRB-", "-RRB-", "-LCB-", "-RCB-"}  # pycocoevalcap's list

WORDS = st.text(string.ascii_letters, min_size=2, max_size=9).filter(
    lambda word: word.lower() not in {"cannot", "gonna", "wanna", "gotta", "gimme", "lemme"}
)


def jar() -> Path | None:
    package = find_spec("pycocoevalcap")
    found = [
        Path(place) / "tokenizer/stanford-corenlp-3.4.1.jar"
        for place in (package and package.submodule_search_locations) or ()
    ]
    return found[0] if found and found[0].exists() and shutil.which("java") else None


needs_java = pytest.mark.skipif(jar() is None, reason="needs java and pycocoevalcap's jar")


def _stanford(text: Path) -> str:
    command = ["java", "-Dfile.encoding=UTF-8", "-XX:TieredStopAtLevel=1", "-cp", str(jar())]
    command += ["edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase", str(text)]
    return subprocess.run(command, capture_output=True, check=True, timeout=120).stdout.decode("utf-8")


def stanford(sentences: list[str], folder: Path) -> list[list[str]]:
    """What pycocoevalcap makes of sentences, each followed by another that begins with "A" as captions do."""
    text = folder / "sentences.txt"
    text.write_text("".join(f"{sentence}\nA\n" for sentence in sentences), encoding="utf-8")
    lines = _stanford(text).split("\n")
    assert len(lines) == 2 * len(sentences) + 1
    return [[token for token in line.split(" ") if token and token not in PUNCTUATION] for line in lines[:-1:2]]


def differences(sentences: list[str], folder: Path) -> list[tuple[str, list[str], list[str]]]:
    answers = stanford(sentences, folder)
    ours = map(tokenize, sentences)
    return [(s, theirs, own) for s, theirs, own in zip(sentences, answers, ours, strict=True) if theirs != own]


@pytest.mark.parametrize("text", RECORDED)
def test_gives_the_recorded_tokens(text: str) -> None:
    assert tokenize(text) == RECORDED[text]


@needs_java
def test_the_recorded_tokens_are_stanfords(tmp_path: Path) -> None:
    assert dict(zip(RECORDED, stanford(list(RECORDED), tmp_path), strict=True)) == RECORDED


@needs_java
def test_agrees_with_stanford_on_any_letter_case(tmp_path: Path) -> None:
    words = "cannot gonna wanna gotta gimme lemme 'tis 'twas don't they're we've i'll 'em 'til 'cause rock'n'roll c'mon"
    words += " s'mores li'l cap’n nor'easter somethin' mass. ark. ph.d. ed.d. mr. no. x.com/ab &amp; &lt; &quot; &nbsp;"
    draw = random.Random(0)
    cases = [str.upper, str.title, str.swapcase, *[lambda w: "".join(draw.choice([c, c.upper()]) for c in w)] * 20]
    sentences = [f"{case(word)}{end}" for word in words.split() for case in cases for end in ("", " dog", ".")]
    sentences += [
        f"{a}. {b} dog"
        for a in "aB"
        for b in ["at", "At", "AT", "aT", "the", "The", "THE", "tHE", "Mr.", "MR.", "mr.", "Ms.", "mS.", "In", "iN"]
    ]
    assert differences(sentences, tmp_path) == []


@needs_java
def test_each_sentence_is_followed_by_the_next(tmp_path: Path) -> None:
    draw = random.Random(0)
    endings = ["A.", "a.", "vitamin C.", "etc.", "No.", "Fig.", "U.S.", "Mr.", "Mass.", "dog.", "St", ""]
    beginnings = ["A", "a", "The", "the", "THE", "Mr. X", "5 dogs", "3 1/2 miles", "dogs", "", " "]
    for length in (1, 2, 3, 400):
        sentences = [f"{draw.choice(beginnings)} {draw.choice(endings)}" for _ in range(length)]
        text = tmp_path / "sentences.txt"
        text.write_text("\n".join(sentences), encoding="utf-8")
        lines = _stanford(text).split("\n")[:length]
        expected = [[token for token in line.split(" ") if token and token not in PUNCTUATION] for line in lines]
        assert tokenize_lines(sentences) == expected


@needs_java
@pytest.mark.parametrize(
    ("alphabet", "longest"),
    [
        ("aebnotsTdlmyO's ''-. 95", 9),
        ("1234 50..,,://-  $%'+a", 9),
        ("abKIM. . .Xx, 5'-", 9),
        ("aab bB.'-/ ,5 1:&!?\"()$_#", 9),
        ("aéB ’‘“”…–—½²°€£. ,☺日àñ'5", 9),
        ("ab .,'-", 40),
        ("aBn t5é\u0301\xad.'", 9),
        ("abn't\u0301\xad5- 'sé.", 9),
        ("ao 5\u0301’‘'t\xad,", 9),
    ],
)
def test_agrees_with_stanford_on_strings_made_at_random(alphabet: str, longest: int, tmp_path: Path) -> None:
    draw = random.Random(alphabet)
    strings = ["".join(draw.choices(alphabet, k=draw.randint(1, longest))) for _ in range(2000)]
    assert differences(strings, tmp_path) == []


@needs_java
def test_agrees_with_stanford_on_captions_with_awkward_signs_put_in(tmp_path: Path) -> None:
    draw = random.Random(0)
    signs = [
        *".,;:!?'\"()[]{}-/&%$#*+=_~^|<>",
        "...",
        "'s",
        "n't",
        " - ",
        "5",
        "1/2",
        "St. ",
        "U.S. ",
        "“",
        "”",
        "’",
        "😀",
    ]
    captions = []
    for text in [
        "A man's dog runs over the red-and-white bridge .",
        "Two people can't see the St. Bernard at 3 p.m.",
    ] * 600:
        place = draw.randrange(len(text))
        captions.append(text[:place] + draw.choice(signs) + text[place:])
    assert differences(captions, tmp_path) == []


@needs_java
@pytest.mark.data
def test_agrees_with_stanford_on_all_captions_at_hand(tmp_path: Path) -> None:
    data = os.environ.get("IMAGIST_DATA")
    if not data:
        pytest.skip("IMAGIST_DATA is not set")
    parquet = pytest.importorskip("pyarrow.parquet")
    coco = json.loads((Path(data) / "coco_captions_val2017.json").read_text())["annotations"]
    captions = [note["caption"] for note in coco]
    for split in sorted((Path(data) / "flickr8k").glob("*.parquet")):
        captions += [c for row in parquet.read_table(split, columns=["captions"])["captions"].to_pylist() for c in row]
    assert len(captions) == 60_014
    assert differences([caption.replace("\n", " ") for caption in captions], tmp_path) == []


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_tokens_in_lower_case_without_space_or_punctuation(text: str) -> None:
    for token in tokenize(text):
        assert token
        assert not set(token) & set(" \t\n\r")
        assert token == token.lower()
        assert token not in PUNCTUATION


@settings(deadline=None)
@given(st.lists(WORDS, max_size=8))
def test_plain_words_stay_as_they_are(words: list[str]) -> None:
    assert tokenize(" ".join(words)) == [word.lower() for word in words]


@settings(deadline=None)
@given(st.lists(WORDS, max_size=8), st.sampled_from([".", " .", "!", "?", ",", "..."]))
def test_tokens_of_tokens_are_the_same(words: list[str], ending: str) -> None:
    once = tokenize(" ".join(words).lower() + ending)  # "AZ." in capitals is an abbreviation
    assert tokenize(" ".join(once)) == once


@settings(deadline=None)
@given(st.text("abcXYZ'-,. ", max_size=30))
def test_space_around_and_between_does_not_count(text: str) -> None:
    assert tokenize(f"  {text.replace(' ', '   ')}\t") == tokenize(text)


def test_a_very_long_sentence_is_cut_in_one_go() -> None:
    assert len(tokenize("a dog, 5 cats and can't " * 2000)) == 7 * 2000
