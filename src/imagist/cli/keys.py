"""``imagist keys``: API keys of a service."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from imagist.cli.parser import Parser


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    actions = parser.add_subparsers(required=True, metavar="add | revoke | list")
    for name, act, about in (
        ("add", _add, "make a key and print it; the file keeps its hash alone"),
        ("revoke", _revoke, "make a key invalid, also for a service that runs"),
        ("list", _list, "one line a key"),
    ):
        action = actions.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        if act is not _list:
            action.add_argument("name", metavar="NAME", help="whose key it is")
        action.add_argument("--keys", type=Path, required=True, metavar="FILE", help="the file of keys")
        action.set_defaults(act=act)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    return int(args.act(args))


def _add(args: argparse.Namespace) -> int:
    from imagist.serving.keys import add_key

    sys.stdout.write(f"{add_key(args.keys, args.name)}\n")
    return 0


def _revoke(args: argparse.Namespace) -> int:
    from imagist.serving.keys import revoke_key

    revoke_key(args.keys, args.name)
    return 0


def _list(args: argparse.Namespace) -> int:
    from imagist.serving.keys import read_keys

    for key in read_keys(args.keys):
        state = f"revoked {key.revoked}" if key.revoked else "valid"
        sys.stdout.write(f"{key.name}  created {key.created}  {state}\n")
    return 0
