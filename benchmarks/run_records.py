"""What the folder of a training says of it: minutes at work, what self-critical training gained, further languages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAUSE = 600  # seconds without a line after which training was not going on: it speaks every 20, or after a look at dev
DAY = 86_400

_LINE = re.compile(r"(\d\d):(\d\d):(\d\d) (.*)")


def minutes(log: str) -> dict[str, float]:
    """Minutes of ``grids`` (the cache of features) and of each phase in ``train.log``, over all sessions.

    The time before a line is that of the phase which the line speaks of. A longer silence than `PAUSE` was a break.
    """
    total: dict[str, float] = {}
    phase, before = "words", None
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
    """``at 0`` is the first look of self-critical training, any other look belongs to what goes on."""
    first = message.split(" ", 1)[0]
    if first in ("grids", "words", "critical", "concepts"):
        return first
    return "critical" if message.startswith("at 0 ") else before


def training_minutes(run: Path, measured: Mapping[str, Any]) -> dict[str, float]:
    """Minutes of ``words`` and, if there were any, of ``critical`` and ``concepts``, features cached.

    Reading the data and writing the bundle are not in the log; where one session did all, it knows how long it took,
    and they are counted as ``words``.
    """
    path = run / "train.log"
    told = minutes(path.read_text("utf-8") if path.exists() else "")
    session = float(measured["minutes_this_session"]) - told.pop("grids", 0.0)
    found = {"words": 0.0} | told
    found["words"] += max(0.0, session - sum(found.values()))
    return found


def gain(run: Path) -> tuple[float, float] | None:
    """CIDEr x 100 on dev before self-critical training and at its best, as training told it; None without any."""
    path = run / "critical.jsonl"
    told = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    before = [100 * entry["cider"] for entry in told if entry["step"] == 0]
    return (before[0], 100 * max(entry["cider"] for entry in told)) if before else None


def languages(measured: Mapping[str, Any]) -> dict[str, Mapping[str, float]]:
    """CIDEr on dev, its value and bounds 0 to 10, of each language by one reference a photo; empty with one language.

    The main language's is told by its first reference.
    """
    dev = measured["dev"]
    main = next(iter(dev))
    alone = f"{main}, one reference"
    if alone not in dev:
        return {}
    others = [code for code in dev if code not in (main, alone)]
    return {main: dev[alone]["CIDEr"]} | {code: dev[code]["CIDEr"] for code in others}
