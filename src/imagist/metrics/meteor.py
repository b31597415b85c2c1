"""METEOR 1.5 (Denkowski and Lavie 2014), by its authors' Java program as pycocoevalcap runs it.

The program aligns a hypothesis with its references and returns 23 counts, for the reference that matches best. METEOR
of a corpus is computed from the sums of these counts (`meteor_of_totals`), so it is not the mean over captions, and
METEOR of a resample needs no Java.

The program needs some seconds to read its paraphrases. It starts at the first call and runs as long as this process.

Shapes: N items, each a hypothesis and one or more references. Sentences are tokens separated by single spaces.
"""

from __future__ import annotations

import atexit
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from imagist.arrays import AnyArray, Bools, Floats
from imagist.errors import UsageError
from imagist.metrics.jars import broken, jar, java
from imagist.metrics.ngrams import check_references

COUNTS = 23
"""Length of hypothesis and reference, function words of each; for the exact, stem, synonym and paraphrase matcher the
content words matched in hypothesis and reference, then the function words; chunks; matched words of each. Of two equal
sentences the chunks are 0."""
CHUNKS = 20
"""The position of the chunks in them."""

# METEOR's parameters for English, tuned to rank systems.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
MATCHERS = np.array([1.0, 0.6, 0.8, 0.6])
_HEAP = "2G"  # as pycocoevalcap asks; the paraphrases take half of it
_LAST_WORDS = 10  # seconds that the program has to write its last message

_one_at_a_time = threading.Lock()
_running: _Program | None = None


def meteor(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, Floats]:
    """METEOR of the corpus, 0..1, and of each item, float64 ``[N]``.

    Raises:
        UsageError: No items, an item without a reference, or not one hypothesis an item.
        MissingExtra: Java or pycocoevalcap is not installed, or the program stopped.
    """
    rows = meteor_rows(hypotheses, references)
    return float(meteor_of_totals(rows.sum(axis=0))), meteor_of_totals(rows)


def meteor_rows(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Floats:
    """METEOR's counts of each item, float64 ``[N, 23]`` (see `COUNTS`), for `meteor_of_totals`.

    Raises:
        UsageError: As `meteor`.
        MissingExtra: As `meteor`.
    """
    check_references(references)
    if len(hypotheses) != len(references):
        raise UsageError(f"{len(hypotheses)} hypotheses for {len(references)} items", remedy="give one for each")
    global _running
    with _one_at_a_time:
        if _running is None:
            _running = _Program()
            atexit.register(stop)
        try:
            rows = np.array([_running.counts(h, r) for h, r in zip(hypotheses, references, strict=True)])
        except BaseException:
            stop()  # else the answer to a question that was broken off would be taken for the next one's
            raise
    rows[_whole(rows), CHUNKS] = 0  # as the program does when it adds up: one chunk of two equal sentences is no tear
    return rows


def stop() -> None:
    """Ends the Java program, which holds a gigabyte of memory; it starts again when METEOR is next asked for."""
    global _running
    program, _running = _running, None
    atexit.unregister(stop)
    if program is not None:
        program.close()


def _whole(rows: Floats) -> Bools:
    """Where all words of hypothesis and reference are matched, in their order."""
    matched = rows[:, 4:CHUNKS].reshape(len(rows), -1, 2).sum(axis=1)
    return np.asarray((matched == rows[:, 0:2]).all(axis=1) & (rows[:, CHUNKS] == 1))


def meteor_of_totals(totals: AnyArray) -> Floats:
    """METEOR, 0..1, ``[...]``, of counts ``[..., 23]``: those of an item, or sums over items."""
    total = np.asarray(totals, dtype=np.float64)
    lengths, functions = total[..., 0:2], total[..., 2:4]
    matched = total[..., 4:CHUNKS].reshape(*total.shape[:-1], len(MATCHERS), 2, 2)  # matcher, content or function, side
    chunks, words = total[..., CHUNKS], total[..., CHUNKS + 1 :]
    kinds = np.array([DELTA, 1 - DELTA])
    weight = DELTA * (lengths - functions) + (1 - DELTA) * functions
    hits = np.einsum("...mks,m,k->...s", matched, MATCHERS, kinds)
    precision, recall = np.moveaxis(hits / np.where(weight > 0, weight, 1), -1, 0)
    some = (precision > 0) & (recall > 0)
    mean = 1 / ((1 - ALPHA) / np.where(some, precision, 1) + ALPHA / np.where(some, recall, 1))
    torn = chunks / np.maximum(1, words.mean(axis=-1))
    return np.asarray(np.where(some, np.maximum(0, mean * (1 - GAMMA * torn**BETA)), 0.0))


class _Program:
    """The Java program, which answers one line with one line.

    Raises:
        MissingExtra: Java or the jar is missing, or cannot be run.
    """

    def __init__(self) -> None:
        program = jar("METEOR", "meteor/meteor-1.5.jar")
        command = [java("METEOR"), f"-Xmx{_HEAP}", "-Duser.language=en", "-jar", str(program)]  # en: 6.0, not 6,0
        self._messages = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [*command, "-", "-", "-stdio", "-l", "en", "-norm"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._messages,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            self._messages.close()
            raise broken("METEOR", str(error)) from error

    def counts(self, hypothesis: str, references: Sequence[str]) -> list[float]:
        """The 23 numbers of one item."""
        answer = self._answer(" ||| ".join(["SCORE", *map(_one_line, [*references, hypothesis])]))
        try:
            counts = [float(number) for number in answer.split()]
        except ValueError:
            counts = []
        if len(counts) != COUNTS:
            raise broken("METEOR", answer or self._said())
        return counts

    def _answer(self, line: str) -> str:
        """The program's answer; empty where it has stopped."""
        asked, answered = self._process.stdin, self._process.stdout
        if asked is None or answered is None:
            return ""
        with suppress(OSError):
            asked.write(line + "\n")
            asked.flush()
        return answered.readline()

    def _said(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS)
        self._messages.seek(0)
        return self._messages.read()

    def close(self) -> None:
        """Ends the program."""
        self._process.kill()
        with suppress(OSError):  # it may have closed its input
            self._process.communicate()
        self._messages.close()


def _one_line(sentence: str) -> str:
    """As pycocoevalcap has it, and no more than one line, whatever the sentence holds."""
    return sentence.replace("|||", "").replace("  ", " ").replace("\r", " ").replace("\n", " ")
