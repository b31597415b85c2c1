"""The whole way from sentences as people write them to figures, against all of pycocoevalcap, its Java included."""

from __future__ import annotations

import json
import random
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagist.metrics.captions import bleu_rows, caption_scores, rouge_l_items
from imagist.metrics.cider import CiderD
from imagist.metrics.ptb import tokenized, tokenized_items

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (shutil.which("java") and find_spec("pycocoevalcap")), reason="needs java, pycocoevalcap"),
]

PLAIN = [
    *("a", "dog", "two", "dogs", "runs", "running", "on", "the", "grass", "in", "snow", "man's", "People", "CAN'T"),
    *("t-shirt", "at", "St.", "3", "p.m.", "red-and-white"),
]
AWKWARD = [
    *".,;:!?'\"()[]{}-/&%$#*+=_~^|<>\\`",
    *("...", "--", "''", "``", "'s", "n't", "'re", "’s", "n’t", "“", "”", "‘", "’", "–", "—", "…"),
    *("don't", "DON'T", "it's", "dogs'", "'em", "y'all", "o'clock", "rock'n'roll", "O'Neil", "cannot", "gonna"),
    *("U.S.", "Mr.", "Dr.", "No.", "e.g.", "i.e.", "etc.", "3.5", "1,000", "10:30", "'90s", "2nd", "1/2", "½", "5'"),
    *("é", "café", "cafe\u0301", "naïve", "ñ", "ß", "Ελλάδα", "собака", "犬", "日本", "😀", "²", "°", "€", "£", "™"),
    *("\u00a0", "\u200b", "\u00ad", "ﬁ", '6"', "wanna", "&amp;", "<br>", "@home", "#1", "w/", "and/or"),
]
ENDINGS = ["A.", "a.", "B.", "etc.", "St.", "No.", "U.S.", "Mr.", "3 p.m.", "vitamin C.", "Mass.", "."]
CASES = [str, str, str, str.upper, str.title, str.lower, str.swapcase]
WORD = st.builds(lambda word, case: case(word), st.sampled_from([*PLAIN, *PLAIN, *AWKWARD]), st.sampled_from(CASES))
SENTENCE = st.builds(
    lambda words, ending: " ".join([*words, *ending]),
    st.lists(WORD, max_size=10),
    st.lists(st.sampled_from(ENDINGS), max_size=1),
)
GLUED = st.lists(st.sampled_from(["dog", "A", "'", "-", ".", " ", "’", "t", "s", "n", "é", "5"]), max_size=9).map(
    "".join
)
ITEM = st.tuples(SENTENCE | GLUED, st.lists(SENTENCE | GLUED, min_size=1, max_size=3))


@pytest.fixture(scope="module")
def java_in_utf8():
    """Java reads and writes UTF-8 whatever the locale."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", "-Dfile.encoding=UTF-8")
        yield


def theirs(hypotheses: list[str], references: list[list[str]]) -> dict[str, object]:
    """pycocoevalcap's figures of raw sentences."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    def tokens(items: list[list[str]]) -> dict[int, list[str]]:
        return PTBTokenizer().tokenize({n: [{"caption": c} for c in item] for n, item in enumerate(items)})

    said, truth = tokens([[hypothesis] for hypothesis in hypotheses]), tokens(references)
    corpus = Bleu().compute_score(truth, said, verbose=0)[0]
    rouge, cider = Rouge().compute_score(truth, said), Cider().compute_score(truth, said)
    figures = {f"bleu_{n}": value for n, value in enumerate(corpus, start=1)}
    return figures | {"rouge_l": rouge[0], "cider": cider[0], "rouges": rouge[1], "ciders": cider[1]}


def agrees(hypotheses: list[str], references: list[list[str]]) -> None:
    expected = theirs(hypotheses, references)
    said, truth = tokenized(hypotheses), tokenized_items(references)
    assert rouge_l_items(said, truth) == pytest.approx(expected.pop("rouges"), abs=1e-9)
    assert CiderD(truth).scores(said) == pytest.approx(expected.pop("ciders"), abs=1e-9)
    assert caption_scores(hypotheses, references) == pytest.approx(expected, abs=1e-9)
    assert len(bleu_rows(said, truth)) == len(hypotheses)


@pytest.mark.usefixtures("java_in_utf8")
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ITEM, min_size=20, max_size=60))
def test_agrees_on_adversarial_sentences(corpus: list[tuple[str, list[str]]]) -> None:
    # Item 0 has a word, or pycocoevalcap fails; empty hypotheses and single references come by themselves.
    corpus = [("a dog", ["a dog runs", "one dog"]), ("", ["a dog"]), *corpus]
    agrees([hypothesis for hypothesis, _ in corpus], [references for _, references in corpus])


@pytest.mark.usefixtures("java_in_utf8")
@pytest.mark.data
def test_agrees_on_the_captions_of_dev(data: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    captions = parquet.read_table(data / "flickr8k/dev.parquet", columns=["captions"])["captions"].to_pylist()
    agrees([of[0] for of in captions], [of[1:] for of in captions])
    agrees([of[0] for of in captions], [of[1:2] for of in captions])


@pytest.mark.usefixtures("java_in_utf8")
@pytest.mark.data
def test_agrees_on_captions_of_coco_with_signs_put_in(data: Path) -> None:
    draw = random.Random(0)
    notes = json.loads((data / "coco_captions_val2017.json").read_text())["annotations"][:6000]

    def awkward(sentence: str) -> str:
        words = sentence.replace("\n", " ").split()
        words.insert(draw.randrange(len(words) + 1), draw.choice(AWKWARD))
        place = draw.randrange(len(words))
        words[place] += draw.choice([*".,;:!?'\"-", "'s", "n't", ""])
        return " ".join(words)

    said = [awkward(note["caption"]) for note in notes]
    agrees(said[0::3], [list(pair) for pair in zip(said[1::3], said[2::3], strict=True)])
