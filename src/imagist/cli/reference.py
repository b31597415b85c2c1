"""``python -m imagist.cli.reference``: the help of every command as Markdown, for the documentation."""

from __future__ import annotations

import os
import sys

from imagist.cli.main import COMMANDS, HELP, command_parser


def reference() -> str:
    """The page; the same whatever the width of the terminal."""
    os.environ["COLUMNS"] = "100"
    parts = [("imagist", HELP)] + [(f"imagist {name}", command_parser(name).format_help()) for name in COMMANDS]
    return "# Commands\n" + "".join(f"\n## {name}\n\n```text\n{text}```\n" for name, text in parts)


if __name__ == "__main__":
    sys.stdout.write(reference())
