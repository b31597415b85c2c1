"""``python -m imagist.cli.reference``: the help of every command as Markdown, for the documentation."""

from __future__ import annotations

import argparse
import os
import sys

from imagist.cli.main import COMMANDS, HELP, command_parser


def reference() -> str:
    """The page; the same for any width of the terminal."""
    os.environ["COLUMNS"] = "100"
    parts = [("imagist", HELP)]
    for name in COMMANDS:
        parser = command_parser(name)
        parts.append((f"imagist {name}", parser.format_help()))
        parts += [(f"imagist {name} {action}", of.format_help()) for action, of in actions(parser).items()]
    return "# Commands\n" + "".join(f"\n## {name}\n\n```text\n{text}```\n" for name, text in parts)


def actions(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The subcommands of a command, such as ``captions`` of ``evaluate``; empty for a command without."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return {name: of for group in groups for name, of in group.choices.items()}


if __name__ == "__main__":
    sys.stdout.write(reference())
