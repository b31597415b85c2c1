"""Rows of one sentence each to one entry an image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from imagist.datasets.captions.record import Entry


def joined(rows: Iterable[Entry]) -> list[Entry]:
    """One entry an image: rows of one sentence joined by name, split and bytes, in the order of the first of each."""
    groups: list[list[Entry]] = []
    begun: dict[tuple[object, ...], list[Entry]] = {}
    for entry in rows:
        digest = hashlib.sha256(entry.content).digest() if entry.content and not entry.whole else None
        key = entry.image, entry.split, digest
        if not entry.whole and key in begun:
            begun[key].append(replace(entry, content=None))
            continue
        groups.append([entry])
        if not entry.whole:
            begun[key] = groups[-1]
    return [_merged(group) if len(group) > 1 else group[0] for group in groups]


def _merged(group: Sequence[Entry]) -> Entry:
    codes = dict.fromkeys(code for entry in group for code in entry.translations)
    translations = {code: tuple(s for entry in group for s in entry.translations.get(code, ())) for code in codes}
    captions = tuple(sentence for entry in group for sentence in entry.captions)
    return replace(group[0], captions=captions, translations=translations)
