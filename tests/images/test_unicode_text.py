from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagist.images.unicode_text import decoded

MARKED = ("utf-8-sig", "utf-16", "utf-32")


@given(text=st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: not text.startswith("\ufeff")))
def test_unicode_is_read_by_its_mark_and_without_one_as_utf_8(text):
    assert [decoded(text.encode(encoding)) for encoding in ("utf-8", *MARKED)] == [text] * 4


@given(st.binary())
def test_no_character_is_made_up(content):
    with suppress(ValueError):
        text = decoded(content)
        encodings = ("utf-8", *MARKED) if content[:2] != b"\xfe\xff" else ("utf-16-be",)
        assert any(text.encode(encoding) in (content, content[2:]) for encoding in encodings) or content[:2] == b"\0\0"


def test_the_first_byte_that_is_not_utf_8_is_named():
    with pytest.raises(ValueError, match="line 2 has a byte 0xe9 that is not UTF-8"):
        decoded("a\ncaf\u00e9 \u00fc".encode("cp1252"))


def test_the_last_character_of_a_beginning_may_be_cut():
    assert decoded("a\u00e9".encode()[:2], is_cut=True) == "a"
    with pytest.raises(ValueError, match="0xc3"):
        decoded("a\u00e9".encode()[:2])
