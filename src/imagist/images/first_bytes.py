"""What a file that is no image is, by its first bytes, whatever its name says."""

from __future__ import annotations

import re

ZIP, GZIP, TAR, BZIP2, XZ, ZSTANDARD, SEVEN_ZIP, RAR = "ZIP", "gzip", "TAR", "bzip2", "XZ", "Zstandard", "7z", "RAR"
PARQUET, ARROW, OLD_EXCEL, SQLITE, PDF, HTML = "Parquet", "Arrow", "Excel", "SQLite", "PDF", "HTML"
PACKED = (BZIP2, XZ, ZSTANDARD, SEVEN_ZIP, RAR)
"""Archives and packed files that nothing here unpacks."""

_FIRST = {
    b"PK\3\4": ZIP,
    b"PK\5\6": ZIP,  # an empty one
    b"\x1f\x8b": GZIP,
    b"\xfd7zXZ\0": XZ,
    b"\x28\xb5\x2f\xfd": ZSTANDARD,
    b"7z\xbc\xaf": SEVEN_ZIP,
    b"Rar!\x1a": RAR,
    b"PAR1": PARQUET,
    b"ARROW1\0\0": ARROW,
    b"FEA1": ARROW,
    b"\xd0\xcf\x11\xe0": OLD_EXCEL,  # or one that is protected by a password
    b"SQLite format 3\0": SQLITE,
    b"%PDF-": PDF,
}
_BZIP2 = re.compile(rb"BZh[1-9]1AY")
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|script|title|meta)\b", re.IGNORECASE)
_TAR = slice(257, 262)


def kind_of(head: bytes) -> str | None:
    """The kind, one of the names above; None where the bytes do not tell.

    Args:
        head: The first bytes; tar files are known by 262 of them.
    """
    if head[_TAR] == b"ustar":
        return TAR
    if _BZIP2.match(head):
        return BZIP2
    if _PAGE.match(head):
        return HTML
    return next((kind for first, kind in _FIRST.items() if head.startswith(first)), None)
