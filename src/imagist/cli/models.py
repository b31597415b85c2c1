"""``imagist models``: lists installed models and shows their cards."""

from __future__ import annotations

import argparse
import sys

from imagist.cli.parser import Parser


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    actions = parser.add_subparsers(required=True, metavar="list | show")
    actions.add_parser("list", help="one line a model").set_defaults(act=_list)
    show = actions.add_parser("show", help="the card of a model: data, licences, limitations, measured metrics")
    show.add_argument("name", nargs="?", default="embedded", metavar="NAME", help="name or folder (default: embedded)")
    show.set_defaults(act=_show)


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    return int(args.act(args))


def _list(args: argparse.Namespace) -> int:
    from imagist.bundle import list_bundles

    for bundle in list_bundles():
        sys.stdout.write(f"{bundle.name}  {_megabytes(bundle.size)}  {bundle.version}  {bundle.description}\n")
    return 0


def _show(args: argparse.Namespace) -> int:
    from imagist.bundle import MODEL_CARD, open_bundle

    bundle = open_bundle(args.name)
    facts = {"name": bundle.name, "version": bundle.version, "size": _megabytes(bundle.size), "folder": bundle.path}
    sys.stdout.writelines(f"{name:<8} {fact}\n" for name, fact in facts.items())
    card = bundle.path / MODEL_CARD
    sys.stdout.write(f"\n{card.read_text('utf-8')}" if card.is_file() else f"\n{bundle.description}\n")
    return 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
