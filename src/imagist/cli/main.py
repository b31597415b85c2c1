"""``imagist``: imports and runs one command, and turns errors into exit codes.

0 success; 1 the reader of a pipe closed it; 2 the call is wrong, a model or library is missing, or the output cannot be
written; 3 some images failed; 130 interrupted, by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import difflib
import errno
import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module

from imagist import __version__
from imagist.cli.parser import Parser, check_targets
from imagist.errors import ImagistError
from imagist.report.terminal import discard, open_closed_streams, printable, say, say_notices

COMMANDS = {
    "classify": ("imagist.cli.classify", "caption and classify images, into a table, a file or a page"),
    "caption": ("imagist.cli.caption", "caption images, and draw the attention for each word"),
    "describe": ("imagist.cli.describe", "describe images, or a region, in a few words, a sentence or a paragraph"),
    "interrogate": ("imagist.cli.interrogate", "caption images and add the phrases that fit them best"),
    "explain": ("imagist.cli.explain", "explain categories: the words and the parts of the image that decided"),
    "fit": ("imagist.cli.fit", "fit a model to labelled images of your own"),
    "evaluate": ("imagist.cli.evaluate", "measure captions against references, and ways to profile accounts"),
    "profile": ("imagist.cli.profile", "find what each account posts about, with honest intervals"),
    "study": ("imagist.cli.study", "compare captioners, classifiers and fusions over folds, with confidence intervals"),
    "train": ("imagist.cli.train", "train a captioner, an encoder or a matcher from a recipe"),
    "demo": ("imagist.cli.demo", "classify the images that come with scikit-image and scikit-learn"),
    "serve": ("imagist.cli.serve", "serve images over HTTP: an API, and a page to try it"),
    "sagemaker": ("imagist.cli.sagemaker", "serve, train and pack models on Amazon SageMaker"),
    "keys": ("imagist.cli.keys", "make, list and revoke API keys of a service"),
    "models": ("imagist.cli.models", "list installed models, and show their cards"),
}
"""Each command: its module, with ``configure(parser)`` and ``run(args) -> int``, and a summary."""

_INTERRUPTED = 130
_STREAM_FAULTS = (errno.EBADF, errno.ENOSPC, errno.EIO, errno.EDQUOT)

FAULT = "\n  "
"""Separates the faults where a message has several."""

HELP = f"""\
usage: imagist COMMAND ...

Understands images by putting them into words: captions, categories and calibrated probabilities.

commands:
{"".join(f"  {name:<11} {summary}" + chr(10) for name, (_, summary) in COMMANDS.items())}
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
    open_closed_streams()
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a request to stop is one from the keyboard
    try:
        try:
            code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        except SystemExit as stop:  # argparse, for --help and for wrong arguments
            code = stop.code if isinstance(stop.code, int) else 2
        sys.stdout.flush()
        if code == _INTERRUPTED and argv is None:
            _leave_when_interrupted()
        return code
    except ImagistError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        if argv is None:
            _leave_when_interrupted()
        say("imagist: interrupted\n")
        return _INTERRUPTED
    except BrokenPipeError:
        discard(sys.stdout)
        return 1
    except OSError as error:
        if error.errno not in _STREAM_FAULTS or error.filename:
            raise
        discard(sys.stdout)
        return _complain(f"standard output cannot be written: {error.strerror} (redirect it to another file)")


def _leave_when_interrupted() -> None:
    """From now on a further Ctrl-C ends the process at once: it would abort where threads are still at work."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: os._exit(_INTERRUPTED))


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
        say(HELP)
        return 2
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(COMMANDS)}"
        return _complain(f"no command {name!r}; {meant}")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a locale without a character must not fail a run
    if hasattr(sys.stdin, "reconfigure"):
        sys.stdin.reconfigure(errors="surrogateescape")  # names of files need not be text
    say_notices()
    args = command_parser(name).parse_args(argv[1:])
    check_targets(args)
    args.invocation = argv
    return int(args.run(args))


def _complain(message: str) -> int:
    lines = f"imagist: {message}".split(FAULT)  # a list of faults keeps its lines, any other message is one line
    say(f"{FAULT.join(map(printable, lines))}\n")
    return 2
