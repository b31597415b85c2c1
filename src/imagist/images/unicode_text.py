"""Texts of whole files: UTF-8, or what their byte order mark says; never a character that is not in them."""

from __future__ import annotations

import codecs

_MARKS = {  # the longer before the shorter that it begins with
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def decoded(content: bytes, *, is_cut: bool = False) -> str:
    """The text of a file, without a byte order mark.

    Args:
        content: All its bytes.
        is_cut: Whether these are only its first, so that the last character may lack some.

    Raises:
        ValueError: It is in another encoding; the message names the first such byte, and its line from 1.
    """
    mark, encoding = next((each for each in _MARKS.items() if content.startswith(each[0])), (b"", "utf-8"))
    try:
        return codecs.getincrementaldecoder(encoding)().decode(content[len(mark) :], not is_cut)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].decode(encoding, "replace").count("\n") + 1
        byte = error.object[error.start]
        raise ValueError(f"line {line} has a byte {byte:#04x} that is not {encoding.upper()}") from error
