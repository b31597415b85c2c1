"""Blocks of text on a terminal and in a pipe."""

from __future__ import annotations

import io

from rich.console import Console

from imagist.errors import CorruptImage
from imagist.records import Failure
from imagist.report.blocks import Blocks


def printed(*blocks, **settings):
    console = Console(file=io.StringIO(), width=40, **settings)
    found = Blocks(console)
    for source, lines in blocks:
        found.add(source, lines)
    return console.file.getvalue()


def test_blocks_are_parted_by_empty_lines():
    assert printed(("a.jpg", ["a cat", "a mat"]), ("b.jpg", ["a dog"])) == "a.jpg\n  a cat\n  a mat\n\nb.jpg\n  a dog\n"


def test_a_failure_has_its_kind_and_message():
    assert (
        printed(("a.jpg", Failure("a.jpg", CorruptImage("is cut short")))) == "a.jpg\n  corrupt_image: is cut short\n"
    )


def test_a_pipe_gets_long_lines_whole_and_a_terminal_folds_them():
    line = "word " * 20 + "end"
    assert f"  {line}\n" in printed(("a.jpg", [line]))
    folded = printed(("a.jpg", [line]), force_terminal=True, no_color=True).splitlines()[1:]
    assert len(folded) > 1
    assert all(part.startswith("  word") or part.strip() == "end" for part in folded)


def test_control_characters_are_escaped():
    assert printed(("a\x1b[2J.jpg", ["b\x07"])) == "a\\x1b[2J.jpg\n  b\\x07\n"
