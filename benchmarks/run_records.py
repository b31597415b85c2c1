"""Reads the folder of a training: minutes of each phase, gain of the self-critical phase, further languages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAUSE = 600  # seconds; a longer gap between log lines is a break (a line comes every 20 s, or after an evaluation)
DAY = 86_400

_LINE = re.compile(r"(\d\d):(\d\d):(\d\d) (.*)")


def minutes(log: str) -> dict[str, float]:
    """Minutes of ``grids`` (the cache of features) and of each phase in ``train.log``, over all sessions.

    The time before a line counts for the phase of that line. A gap longer than `PAUSE` counts for none.
    """
    total: dict[str, float] = {}
    phase, before = "cross_entropy", None
    for line in log.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        hours, mins, secs, message = found.groups()
        now = int(hours) * 3600 + int(mins) * 60 + int(secs)
        phase = _phase(message, phase)
        gap = 0 if before is None else (now - before) % DAY  # the clock has no date
        if gap <= PAUSE:
            total[phase] = total.get(phase, 0.0) + gap / 60
        before = now
    return total


def _phase(message: str, before: str) -> str:
    """The evaluation at step 0 opens the self-critical phase; any other belongs to the phase before it."""
    first = message.split(" ", 1)[0]
    if first in ("grids", "cross_entropy", "self_critical", "concepts"):
        return first
    return "self_critical" if message.startswith("dev at step 0 ") else before


def training_minutes(run: Path, measured: Mapping[str, Any]) -> dict[str, float]:
    """Minutes of ``cross_entropy`` and, where they ran, ``self_critical`` and ``concepts``, with cached features.

    The log does not cover reading the data and writing the bundle; if one session did everything, they are counted as
    ``cross_entropy``.
    """
    path = run / "train.log"
    logged = minutes(path.read_text("utf-8") if path.exists() else "")
    session = float(measured["minutes_this_session"]) - logged.pop("grids", 0.0)
    found = {"cross_entropy": 0.0} | logged
    found["cross_entropy"] += max(0.0, session - sum(found.values()))
    return found


def gain(run: Path) -> tuple[float, float] | None:
    """CIDEr x 100 on dev before the self-critical phase and at its best; None without that phase."""
    path = run / "self_critical.jsonl"
    entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    before = [100 * entry["cider"] for entry in entries if entry["step"] == 0]
    return (before[0], 100 * max(entry["cider"] for entry in entries)) if before else None


def languages(measured: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """CIDEr on dev, its value and bounds 0 to 10, of each language by one reference a photo; empty with one language.

    The main language is evaluated with its first reference.
    """
    dev = measured["dev"]
    main = next(iter(dev))
    alone = f"{main}, one reference"
    if alone not in dev:
        return {}
    others = [code for code in dev if code not in (main, alone)]
    return {main: dev[alone]["CIDEr"]} | {code: dev[code]["CIDEr"] for code in others}
