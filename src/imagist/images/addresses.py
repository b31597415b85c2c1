"""What a name stands for: a path, an http(s), ``data:`` or ``file:`` address, or an address that is not read."""

from __future__ import annotations

import base64
import os
import re
from typing import TypeGuard
from urllib.parse import unquote, unquote_to_bytes

from imagist.errors import SourceNotFound
from imagist.images.formats import ARCHIVES

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_FILE = re.compile(r"file://(?:localhost)?(?=/)", re.IGNORECASE)
_FORMS = {  # of names that are no file's, and what to do
    re.compile(r"//|www\.", re.IGNORECASE): "begin an address with https://",
    re.compile(r"""(["'\u201c\u2018]).*["'\u201d\u2019]$"""): "leave out the quotes",
    re.compile(r"~"): "write the path in full: ~ is read by a shell alone",
    re.compile(r"(?!.*/).*\\"): "write / between folders",
}
_STORES = ("s3://", "gs://", "hf://")
_URL_SAFE = str.maketrans("-_", "+/")
_SHOWN = 32  # characters of a data address in messages and tables


def is_url(source: object) -> TypeGuard[str]:
    """Whether a source is an http(s) address."""
    return isinstance(source, str) and source[:8].lower().startswith(("http://", "https://"))


def is_stored(source: object) -> TypeGuard[str]:
    """Whether a source is the address of an object store: ``s3://``, ``gs://`` or ``hf://``."""
    return isinstance(source, str) and source[:5].lower().startswith(_STORES)


def is_data(source: object) -> TypeGuard[str]:
    """Whether a source is a ``data:`` address, which holds the image itself."""
    return isinstance(source, str) and source.lstrip()[:5].lower() == "data:"


def data_content(address: str) -> bytes:
    """The bytes of a ``data:`` address (RFC 2397); empty where it is none."""
    head, _, text = address.strip().partition(",")
    content = unquote_to_bytes(text)
    try:
        return base64_content(content.decode("ascii")) if head.lower().rstrip().endswith("base64") else content
    except ValueError:
        return b""


def base64_content(text: str) -> bytes:
    """The bytes of a text in base64 (RFC 4648): of either alphabet, with or without padding and white space.

    Raises:
        ValueError: It is not base64.
    """
    plain = "".join(text.split()).rstrip("=").translate(_URL_SAFE)
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def shown(source: str) -> str:
    """The source as tables and messages name it: a ``data:`` address is cut short."""
    if not is_data(source):
        return source
    address = source.strip()
    return f"{address[:_SHOWN]}... ({len(address):,} characters)" if len(address) > _SHOWN else address


def local_path(source: str) -> str:
    """The path of a ``file:`` address; anything else as it is."""
    found = _FILE.match(source)
    return unquote(source[found.end() :]) if found else source


def placed(source: str, folder: str | os.PathLike[str]) -> str:
    """A name in a table or a list as a source: an address as it is, a relative path in the folder."""
    if is_url(source) or _SCHEME.match(source):
        return local_path(source)
    return os.path.join(folder, source)  # noqa: PTH118  (a Path would add or drop "./")


def not_regular(source: str) -> SourceNotFound:
    """The error for a pipe or a device in place of a file."""
    return SourceNotFound("not a regular file", item=source, remedy="save what it gives, and name that file")


def not_found(source: str) -> SourceNotFound:
    """The error for a source that is no file, with what to do about it where its form tells."""
    if scheme := _SCHEME.match(source):
        remedy = "download it, or give an http(s) address"
        return SourceNotFound(f"{scheme[0]} addresses are not read", item=source, remedy=remedy)
    if "\0" in source:
        return SourceNotFound("no such file", item=source, remedy="list one name a line, without -print0 or -z")
    try:
        os.lstat(source)
    except PermissionError:
        return SourceNotFound("permission denied", item=source)
    except OSError:
        pass
    archive = source.partition("#")[0]
    if archive != source and archive.lower().endswith(ARCHIVES) and os.path.isfile(archive):  # noqa: PTH113
        return SourceNotFound("no such file", item=source, remedy=f"an archive is read as a whole: {archive}")
    known = next((remedy for form, remedy in _FORMS.items() if form.match(source)), None)
    return SourceNotFound("no such file", item=source, remedy=known)
