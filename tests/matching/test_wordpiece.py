"""Word pieces are those of BERT's own tokenizer."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagist.errors import BundleError
from imagist.matching.wordpiece import UNKNOWN, WordPieces, words

PIECES = [
    "[PAD]",
    "[UNK]",
    "a",
    "cat",
    "##s",
    "##cat",
    "un",
    "##believ",
    "##able",
    ".",
    ",",
    "'",
    "ß",
    "ss",
    "σ",
    "##σ",
]
PIECES += ["東", "é", "e", "##e", "i", "##i", "-", "1", "##1", "##2", "😀", "$", "¿"]
# Of marks and signs only those that the tables of an older Unicode standard have, which the oracle's are of.
LETTERS = st.characters(max_codepoint=0x24F) | st.characters(categories=["L", "N", "Z", "Cc", "Cn", "Co", "Sc", "Sm"])
TEXTS = st.lists(
    st.sampled_from([*"acts ESeéÉÀßσΣς東京,.'-$1\t\n\u00a0\u2028\u200b\u0301😀¿İ", "cat", "unbelievable "])
).map("".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A cat, cats.", ["a", "cat", ",", "cat", "s", "."]),
        ("Unbelievable!", ["un", "believ", "able", None]),
        ("", []),
        (" \t\n", []),
        ("caté", ["cat", "e"]),
        ("xyz", [None]),
        ("x" * 101, [None]),
        ("cat" * 34, [None]),
        ("東東", ["東", "東"]),
        ("c\u0000at", ["cat"]),
    ],
)
def test_a_text_is_spelled_by_the_longest_pieces(text, expected):
    ids = WordPieces(PIECES).ids(text)
    assert [None if i == UNKNOWN else PIECES[i].removeprefix("##") for i in ids] == expected


@pytest.mark.parametrize("pieces", [["a", "[UNK]"], ["[PAD]", "[UNK]", "a", "a"], []])
def test_a_vocabulary_of_another_form_is_refused(pieces):
    with pytest.raises(BundleError):
        WordPieces(pieces)


def test_words_have_no_blanks_and_no_accents():
    assert [*words("L'été, à São-Paulo…")] == ["l", "'", "ete", ",", "a", "sao", "-", "paulo", "…"]


@pytest.fixture(scope="module")
def oracle():
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {piece: number for number, piece in enumerate(PIECES)}
    made = tokenizers.Tokenizer(tokenizers.models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = tokenizers.normalizers.BertNormalizer()
    made.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return lambda text: made.encode(text, add_special_tokens=False).ids


@given(text=TEXTS | st.text(LETTERS))
@example(text="ΑΣ ΣΑΣ")
@example(text="\u0085a\u001fcat")
@example(text="a\u3000cat\ufeffs")
def test_the_ids_are_those_of_bert(oracle, text):
    assert WordPieces(PIECES).ids(text) == oracle(text)


@pytest.fixture(scope="module")
def bert():
    transformers = pytest.importorskip("transformers")
    return transformers.BertTokenizer(vocab={piece: number for number, piece in enumerate(PIECES)})


@pytest.mark.torch
@given(text=TEXTS)
def test_transformers_agrees(bert, text):
    assert WordPieces(PIECES).ids(text) == bert(text, add_special_tokens=False)["input_ids"]
