"""Opens matchers by kind and name, and those of models, each once."""

from __future__ import annotations

import os
from pathlib import Path

from imagist import registry
from imagist.bundle import CARD, Folder, hub, open_bundle, open_folder, open_part
from imagist.errors import BundleError
from imagist.protocols import Matcher, PartOptions

MATCHER = "matcher"


def open_matcher(
    model: str | os.PathLike[str], options: PartOptions | None = None, *, kind: str | None = None
) -> Matcher:
    """Opens a matcher.

    Args:
        model: A model that has one, or its folder; with ``kind``, what that kind takes: the name or the folder of a
            checkpoint for ``clip`` and ``open_clip``.
        options: Settings of parts.
        kind: A name of `imagist.registry`; by default the one on the matcher's card.

    Raises:
        UnknownName: No matcher has that kind.
        BundleError: The model cannot be used.
    """
    chosen = options or PartOptions()
    if kind is None:
        folder = open_part(model, MATCHER)
        kind, model = folder.kind, folder.path
    if kind == "clip" and "/" in os.fspath(model):
        hub.check(os.fspath(model))
    if kind == "open_clip" and "/" in os.fspath(model):
        hub.check_any(os.fspath(model), "~/.cache/clip")
    matcher: Matcher = registry.find("matchers", kind)(os.fspath(model), chosen)
    return matcher


class Matchers:
    """Opens the matcher of each folder once; implements `imagist.protocols.MatcherPool`."""

    def __init__(self) -> None:
        self._open: dict[Path, Matcher] = {}

    def open(self, folder: Path, options: PartOptions) -> Matcher:
        """The matcher that lies in a folder.

        Raises:
            BundleError: There is none, or it cannot be used.
        """
        key = folder.resolve()
        if key not in self._open:
            self._open[key] = open_folder(folder).load("matchers", options)
        return self._open[key]


def matcher_of(part: Folder, options: PartOptions) -> Matcher:
    """The matcher of the model that a part lies in, shared with the other parts that are opened with the same options.

    Raises:
        BundleError: It is not there.
    """
    pool = options.matchers or Matchers()
    for place in part.path.resolve().parents[:2]:
        if (place / MATCHER / CARD).is_file():
            return pool.open(open_bundle(place).part(MATCHER).path, options)
    raise BundleError(
        "its matcher is not there",
        item=str(part.path),
        remedy="name the folder of a whole model, which has its matcher beside the part",
    )
