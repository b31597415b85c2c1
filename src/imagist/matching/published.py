"""The folder of a matcher over a published checkpoint: a card that names the checkpoint, and what was fitted to it."""

from __future__ import annotations

from pathlib import Path

from imagist.bundle import CARD, open_part, write_part
from imagist.matching.background import FILE, Background, background_of
from imagist.matching.opening import MATCHER
from imagist.matching.zero_shot import ZeroShot, zero_shot_of


def write_matcher(folder: Path, kind: str, model: str, zero_shot: ZeroShot, background: Background | None) -> None:
    """Writes the folder; the checkpoint is not copied.

    Args:
        folder: Where to.
        kind: Of the matcher.
        model: The checkpoint, by its name or the path of its folder.
        zero_shot: Settings for categories by name.
        background: Mean and covariance of its embeddings, if they are known.

    Raises:
        OutputError: The folder cannot be written to.
    """

    def fill(draft: Path) -> None:
        if background:
            (draft / FILE).write_bytes(background.content())

    write_part(folder, kind, {"model": model, **zero_shot.on_card()}, fill)


def read_matcher(model: str) -> tuple[str, ZeroShot, Background | None]:
    """The checkpoint, the settings and the background of a saved matcher, or of a checkpoint as it was published.

    Args:
        model: The folder of a saved matcher, a model that has one, or a checkpoint by its name or folder.

    Raises:
        BundleError: The folder cannot be understood.
    """
    if (Path(model) / CARD).is_file():
        folder = open_part(model, MATCHER)
        return str(folder.card["model"]), zero_shot_of(folder), background_of(folder)
    return str(Path(model).resolve()) if Path(model).is_dir() else model, ZeroShot(), None
