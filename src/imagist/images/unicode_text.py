"""Texts of whole files in UTF-8, UTF-16 or UTF-32; never a character that is not in them."""

from __future__ import annotations

import codecs

_MARKS = {  # the longer ones first: that of UTF-32 begins like that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SAMPLE = 1 << 10  # bytes by which text without a byte order mark is told


def encoding_of(head: bytes) -> str:
    """The encoding of a text that begins with some bytes: UTF-8 where neither a byte order mark nor NULs tell.

    In UTF-16 and UTF-32 without a mark each character of English, its punctuation and digits has NULs at the same
    places, and a quarter of the first characters are taken to be such; no other text has NULs.
    """
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    sample = head[:_SAMPLE]
    length = len(sample) // 4 * 4
    first, second, third, fourth = (sample[place:length:4].count(0) for place in range(4))
    most = length // 4
    if not most:
        return "utf-8-sig"
    if fourth == most and third * 4 >= most and not first:
        return "utf-32-le"
    if first == most and second * 4 >= most and not fourth:
        return "utf-32-be"
    if (second + fourth) * 2 >= most and not first + third:
        return "utf-16-le"
    return "utf-16-be" if (first + third) * 2 >= most and not second + fourth else "utf-8-sig"


def decoded(content: bytes, *, is_cut: bool = False) -> str:
    """The text of a file, without a byte order mark.

    Args:
        content: All its bytes.
        is_cut: Whether these are only its first, so that the last character may lack some.

    Raises:
        ValueError: It is in another encoding; the message names the first such byte, and its line from 1.
    """
    encoding = encoding_of(content)
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content, not is_cut)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].decode(encoding, "replace").count("\n") + 1
        byte, name = error.object[error.start], encoding.removesuffix("-sig").upper()
        raise ValueError(f"line {line} has a byte {byte:#04x} that is not {name}") from error
