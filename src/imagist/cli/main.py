"""``imagist``: imports and runs one command, and turns errors into exit codes.

0 success; 1 the reader of a pipe closed it; 2 the call is wrong, or a model or library is missing; 3 some images
failed; 130 interrupted.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from imagist import __version__
from imagist.cli.parser import Parser
from imagist.errors import ImagistError
from imagist.report.terminal import printable

COMMANDS = {
    "classify": ("imagist.cli.classify", "caption and classify images, into a table, a file or a page"),
    "caption": ("imagist.cli.caption", "caption images, and draw the attention for each word"),
    "describe": ("imagist.cli.describe", "describe images, or a region, in a few words, a sentence or a paragraph"),
    "explain": ("imagist.cli.explain", "explain categories: the words and the parts of the image that decided"),
    "fit": ("imagist.cli.fit", "fit a model to labelled images of your own"),
    "evaluate": ("imagist.cli.evaluate", "measure captions against reference captions"),
    "study": ("imagist.cli.study", "compare captioners, classifiers and fusions over folds, with confidence intervals"),
    "train": ("imagist.cli.train", "train a captioner or an encoder from a recipe"),
    "demo": ("imagist.cli.demo", "classify the images that come with scikit-image and scikit-learn"),
    "models": ("imagist.cli.models", "list installed models, and show their cards"),
}
"""Each command: its module, with ``configure(parser)`` and ``run(args) -> int``, and a summary."""

FAULT = "\n  "
"""Separates the faults where a message has several."""

HELP = f"""\
usage: imagist COMMAND ...

Understands images by putting them into words: captions, categories and calibrated probabilities.

commands:
{"".join(f"  {name:<10} {summary}" + chr(10) for name, (_, summary) in COMMANDS.items())}
options:
  -h, --help  show this message; `imagist COMMAND --help` shows the options of a command
  --version   show the version
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: Arguments after the program's name; by default those of the process.

    Returns:
        The exit code.
    """
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except ImagistError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("imagist: interrupted\n")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit fails again
        return 1
    except SystemExit as stop:  # argparse, for --help and for wrong arguments
        return stop.code if isinstance(stop.code, int) else 2


def command_parser(name: str) -> Parser:
    """The parser of one command; imports its module."""
    module, summary = COMMANDS[name]
    parser = Parser(prog=f"imagist {name}", description=f"{summary[0].upper()}{summary[1:]}.")
    command = import_module(module)
    command.configure(parser)
    parser.set_defaults(run=command.run)
    return parser


def _dispatch(argv: list[str]) -> int:
    name = argv[0] if argv else None
    if name in ("-h", "--help", "help"):
        sys.stdout.write(HELP)
        return 0
    if name == "--version":
        sys.stdout.write(f"imagist {__version__}\n")
        return 0
    if name is None:
        sys.stderr.write(HELP)
        return 2
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"
        return _complain(f"no command {name!r}; {meant}")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale without a character must not fail a run
    args = command_parser(name).parse_args(argv[1:])
    args.invocation = argv
    return int(args.run(args))


def _complain(message: str) -> int:
    lines = f"imagist: {message}".split(FAULT)  # a list of faults keeps its lines, any other message is one line
    sys.stderr.write(f"{FAULT.join(map(printable, lines))}\n")
    return 2
