"""Ids to text: whole words, and the bytes of a byte-level BPE."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.captioning.vocabulary import BpeTokens, Words, special, symbols, vocabulary_of
from imagist.errors import BundleError

BYTES = BpeTokens([symbols()[byte] for byte in range(256)])  # an id is a byte
LINES = ["<|endoftext|>", "a", "Ġdog", "Ġrun", "s", ".", "Ċ", "caf", "Ã©", "Ã", "©", "ĠðŁ", "Ķ¥", "Ġ"]
TOKENS = BpeTokens(LINES)


def ids(*lines):
    return [LINES.index(line) for line in lines]


def test_words_are_joined_by_single_spaces():
    words = Words(["<end>", "<start>", "a", "dog", "runs"])
    assert len(words) == 5
    assert words.text([2, 3, 4]) == "a dog runs"
    assert words.tokens(np.array([2, 3])) == ("a", "dog")
    assert words.text([]) == ""


def test_bpe_tokens_are_put_together():
    assert len(TOKENS) == len(LINES)
    assert TOKENS.text(ids("a", "Ġdog", "Ġrun", "s", ".")) == "a dog runs."
    assert TOKENS.tokens(np.array(ids("a", "Ġdog", "Ġrun", "s"))) == ("a", "dog", "runs")


def test_white_space_is_one_space_and_none_around():
    assert TOKENS.text(ids("Ġdog", "Ġ", "Ċ", "Ġ", "a", "Ċ")) == "dog a"
    assert TOKENS.text(ids("Ġ", "Ċ")) == ""
    assert TOKENS.text([]) == ""


def test_a_character_may_be_cut_into_tokens():
    assert TOKENS.text(ids("caf", "Ã©")) == TOKENS.text(ids("caf", "Ã", "©")) == "café"
    assert TOKENS.text(ids("a", "ĠðŁ", "Ķ¥")) == "a 🔥"


def test_half_a_character_is_dropped():
    assert TOKENS.text(ids("caf", "Ã")) == "caf"
    assert TOKENS.text(ids("a", "ĠðŁ", "Ġdog")) == "a dog"
    assert TOKENS.text(ids("©", "a")) == "a"


def test_special_lines_have_no_text():
    assert TOKENS.text(ids("<|endoftext|>", "a", "<|endoftext|>")) == "a"
    assert BpeTokens([special("7"), "<|", "|>", "x"]).text([0, 1, 3, 2]) == "<|x|>"


def test_a_line_that_is_not_a_bpe_token_is_named():
    with pytest.raises(BundleError, match=r"'a dog'.*one token a line"):
        BpeTokens(["fine", "a dog"])
    with pytest.raises(BundleError, match="▁dog"):
        BpeTokens(["▁dog"])


def test_every_byte_has_one_symbol_that_prints_and_parts_no_lines():
    table = symbols()
    assert sorted(table) == list(range(256))
    assert len(set(table.values())) == 256
    assert all(symbol.isprintable() and len(symbol.splitlines()) == 1 for symbol in table.values())
    assert not any(symbol.isspace() for symbol in table.values())
    assert (table[ord(" ")], table[ord("\n")], table[ord("A")], table[0xFF]) == ("Ġ", "Ċ", "A", "ÿ")


def test_the_symbols_are_those_of_the_published_tokenizers():
    tokenizers = pytest.importorskip("tokenizers")
    assert set(symbols().values()) == set(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    cut = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    every = "".join(map(chr, range(0x800))) + "€🔥"
    assert cut.pre_tokenize_str(every)[0][0] == "".join(symbols()[byte] for byte in every.encode())


@given(st.text())
def test_any_text_comes_back_from_its_bytes(text):
    encodable = text.encode("utf-8", "ignore")
    assert BYTES.text(list(encodable)) == " ".join(encodable.decode().split())


@given(st.binary())
def test_any_bytes_give_clean_text(content):
    text = BYTES.text(list(content))
    assert text == " ".join(text.split()) == " ".join(BYTES.tokens(list(content)))
    assert "\ufffd" not in text or b"\xef\xbf\xbd" in content


@given(st.text(min_size=1), st.data())
def test_a_text_cut_off_anywhere_is_the_beginning_of_it(text, data):
    content = text.encode("utf-8", "ignore")
    cut = data.draw(st.integers(0, len(content)))
    assert BYTES.text(list(content)).startswith(BYTES.text(list(content[:cut])))


def test_a_bundle_names_the_kind_of_its_tokens():
    assert vocabulary_of(["a", "dog"], "words").text([0, 1]) == "a dog"
    assert vocabulary_of(["a", "Ġdog"], "bpe").text([0, 1]) == "a dog"
    with pytest.raises(BundleError, match=r"letters.*words, bpe"):
        vocabulary_of(["a"], "letters")
