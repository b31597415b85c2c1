from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.images.unicode_text import decoded, encoding_of

MARKED = ("utf-8-sig", "utf-16", "utf-32")
ENCODINGS = ("utf-8", *MARKED, *(f"utf-{bits}-{order}" for bits in (16, 32) for order in ("le", "be")))
PRINTED = st.text(st.characters(exclude_categories=["C"]))


@given(PRINTED.filter(lambda text: not text.startswith("\ufeff")))
def test_unicode_is_read_by_its_mark_and_without_one_as_utf_8(text):
    assert [decoded(text.encode(encoding)) for encoding in ("utf-8", *MARKED)] == [text] * 4


@given(PRINTED)
def test_utf_8_is_never_taken_for_another_encoding(text):
    assert encoding_of(text.encode()) == "utf-8-sig"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_english_is_read_in_any_encoding(encoding):
    assert decoded("two dogs, one café\n".encode(encoding)) == "two dogs, one café\n"


@given(st.binary())
def test_no_character_is_made_up(content):
    with suppress(ValueError):
        text = decoded(content)
        written = [text.encode(encoding) for encoding in ENCODINGS]
        assert any(content in (each, content[:2] + each, content[:4] + each) for each in written)


def test_the_first_byte_that_is_not_utf_8_is_named():
    with pytest.raises(ValueError, match="line 2 has a byte 0xe9 that is not UTF-8"):
        decoded("a\ncaf\u00e9 \u00fc".encode("cp1252"))


def test_the_last_character_of_a_beginning_may_be_cut():
    assert decoded("a\u00e9".encode()[:2], is_cut=True) == "a"
    with pytest.raises(ValueError, match="0xc3"):
        decoded("a\u00e9".encode()[:2])
