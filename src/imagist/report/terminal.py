"""Text that is safe to print on a terminal, and standard streams that are closed or full."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import TextIO


def printable(text: str) -> str:
    """The text with control characters and lone surrogates escaped: a file name must not control the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def say(text: str) -> None:
    """Writes a message to stderr; where that is closed or full the message is lost, and the work goes on."""
    try:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except OSError:
        discard(sys.stderr)


class _Said(logging.Handler):
    """Writes notices to stderr as messages of the program."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"imagist: {printable(record.getMessage())}\n")


def say_notices() -> None:
    """Sends what `imagist.images.notices` logs to stderr, as `say` does."""
    log = logging.getLogger("imagist.images")
    if not any(isinstance(each, _Said) for each in log.handlers):
        log.addHandler(_Said())


def discard(stream: TextIO) -> None:
    """Sends what a stream still holds to nowhere, else the flush at exit fails again."""
    with suppress(OSError, ValueError):  # a stream of a test has no file
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def open_closed_streams() -> None:
    """Opens each standard stream that the process was started without.

    Else a file that is opened later gets its number, and messages of libraries are written into that file. Reading such
    a stdin gives nothing, writing to such a stdout raises OSError, and what is written to such a stderr is lost.
    """
    modes = (("stdin", "r", os.O_RDONLY), ("stdout", "w", os.O_RDONLY), ("stderr", "w", os.O_WRONLY))
    for number, (name, mode, flags) in enumerate(modes):
        if getattr(sys, name) is not None:
            continue
        file = os.open(os.devnull, flags)
        with suppress(OSError):
            os.fstat(number)
            number = file  # the number is in use already
        if file != number:
            os.dup2(file, number)
            os.close(file)
        setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
