"""What lies beside an image that instaloader saved: the author's text, likes, the date; and which files are no posts.

A post is ``2026-05-04_10-11-12_UTC.jpg``, or ``..._1.jpg``, ``..._2.jpg`` of a carousel, with the text in
``2026-05-04_10-11-12_UTC.txt`` and metadata in ``2026-05-04_10-11-12_UTC.json`` or ``.json.xz``. Files of other
programs that are named like the image are read alike.
"""

from __future__ import annotations

import json
import lzma
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from imagist.images.folders import is_hidden
from imagist.images.notices import notice
from imagist.images.unicode_text import decoded
from imagist.profiles.naming import account_of_file

VIDEOS = frozenset((".mp4", ".mov", ".m4v", ".webm", ".avi", ".mkv"))
MOST_TEXT, MOST_METADATA = 1 << 16, 1 << 24  # bytes that are read of a file, unpacked

_STEM = re.compile(r"(\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_UTC)(?:_\d{1,2})?")
_PROFILE_PICTURE = re.compile(r"(_profile_pic|_UTC_profile_pic_.*)$")
_TEXTS = ("caption", "text", "description", "title")
_TIMES = ("taken_at_timestamp", "taken_at", "timestamp", "date")
_LIKES = ("like_count", "likes", "likes_count")
_COUNTED = ("edge_media_preview_like", "edge_liked_by")


def is_profile_picture(source: str) -> bool:
    """Whether a file is a picture of the account's own, as instaloader names them: it is no post."""
    return bool(_PROFILE_PICTURE.search(PurePath(source).stem))


def sidecar_cells(source: str) -> Mapping[str, object]:
    """What the files beside an image say of its post: ``text``, ``date`` (seconds) and ``likes``, those that are known.

    A file that cannot be read says nothing; neither does one that is damaged, or a text that is not UTF-8, but of these
    the first in a folder is named in a notice.

    Args:
        source: Path of an image; of anything else nothing is known.
    """
    path = PurePath(source)
    match = _STEM.fullmatch(path.stem)
    return _cells(str(path.with_name(match[1] if match else path.stem)))


def count_videos(folders: Sequence[str]) -> Counter[str]:
    """How many video files there are by account; videos are not read.

    Args:
        folders: The sources; those that are no folders have none.
    """
    found: Counter[str] = Counter()
    for folder in folders:
        for path in _files(folder):
            if path.suffix.lower() in VIDEOS and (account := account_of_file(str(path), [folder])):
                found[account] += 1
    return found


def _files(folder: str) -> Iterator[Path]:
    for above, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not is_hidden(name)]
        yield from (Path(above, name) for name in names if not is_hidden(name))


@lru_cache(maxsize=256)
def _cells(stem: str) -> Mapping[str, object]:
    """What the files of a post say; its images come one after the other."""
    found = _of_metadata(_metadata(stem))
    if text := _text(f"{stem}.txt"):
        found["text"] = text
    return found


def _text(path: str) -> str:
    """The text in a file, up to `MOST_TEXT` bytes; nothing where it is in another encoding."""
    content = _read(path, MOST_TEXT)
    try:
        return decoded(content, is_cut=len(content) > MOST_TEXT).strip()
    except ValueError as error:
        _notice(path, f"the author's text is left out: {error}", "save the texts of this folder as UTF-8")
        return ""


def _notice(path: str, message: str, remedy: str) -> None:
    """Says what is left out of one file; of further files in its folder nothing is said."""
    notice(message, item=path, remedy=remedy, once=f"{os.path.dirname(path)} {remedy}")  # noqa: PTH120


def _read(path: str, most: int) -> bytes:
    try:
        if not os.path.isfile(path):  # noqa: PTH113  (a pipe would be waited for)
            return b""
        with lzma.open(path) if path.endswith(".xz") else Path(path).open("rb") as file:
            content = file.read(most + 1)
    except (OSError, lzma.LZMAError, EOFError, ValueError):
        return b""
    return content if len(content) <= most or path.endswith(".txt") else b""


def _metadata(stem: str) -> Any:
    for suffix in (".json.xz", ".json"):
        if content := _read(stem + suffix, MOST_METADATA):
            try:
                return json.loads(content)
            except (ValueError, RecursionError) as error:
                _notice(stem + suffix, f"the post's metadata are left out: {error}", "download this folder again")
                return None
    return None


def _of_metadata(document: Any) -> dict[str, object]:
    """Text, date and likes in instaloader's JSON, whose post is in ``node``, or in a flat object."""
    if not isinstance(document, dict):
        return {}
    node = document["node"] if isinstance(document.get("node"), dict) else document
    found: dict[str, object] = {}
    if (text := _edge_text(node) or _first(node, _TEXTS, str)) is not None:
        found["text"] = text[:MOST_TEXT]
    if (time := _first(node, _TIMES, (int, float, str))) is not None:
        found["date"] = time
    counts = (node[name].get("count") for name in _COUNTED if isinstance(node.get(name), dict))
    likes = next((n for n in counts if _is_count(n)), None)
    likes = _first(node, _LIKES, int) if likes is None else likes
    if _is_count(likes):
        found["likes"] = likes
    return found


def _edge_text(node: Mapping[str, Any]) -> str | None:
    """The text of Instagram's own structure; None where there is none."""
    try:
        text = node["edge_media_to_caption"]["edges"][0]["node"]["text"]
    except (KeyError, IndexError, TypeError):
        text = None
    if not isinstance(text, str) and isinstance(node.get("caption"), dict):
        text = node["caption"].get("text")
    return text if isinstance(text, str) else None


def _first(node: Mapping[str, Any], names: Sequence[str], kind: type | tuple[type, ...]) -> Any:
    return next((node[name] for name in names if isinstance(node.get(name), kind)), None)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
