"""The Hugging Face hub: whether it answers in time, and whether a model can be had at all.

Nothing here imports torch or transformers, which take seconds: that a model cannot be had is said before.
"""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Thread
from typing import Any

from imagist.errors import BundleNotFound

TIMEOUT = 2.0
"""Seconds in which the hub must answer; huggingface_hub alone would retry for half a minute."""

ON_THE_HUB = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
"""Names of models on the hub."""

UNREACHABLE = "the Hugging Face hub cannot be reached and no copy is on disk"
_LIBRARIES = ("huggingface_hub", "torch", "transformers")


def answers() -> bool:
    """Whether the hub answers in time, whatever it answers; False in offline mode."""
    hub: Any = import_module("huggingface_hub")
    settings: Any = import_module("huggingface_hub.constants")
    answered = Event()

    def ask() -> None:
        with suppress(Exception):  # of the HTTP client, which differs between versions of huggingface_hub
            hub.get_session().head(settings.ENDPOINT, timeout=TIMEOUT)
            answered.set()

    if not settings.HF_HUB_OFFLINE:
        request = Thread(target=ask, daemon=True)  # its timeout holds for each address of the hub; join's for all
        request.start()
        request.join(TIMEOUT)
    return answered.is_set()


def check(model: str) -> None:
    """Raises the error of a model that is neither a folder nor on disk where the hub does not answer.

    Args:
        model: A name on the hub; of anything else, and where the libraries are not installed, nothing is asked.

    Raises:
        BundleNotFound: It cannot be had.
    """
    if Path(model).is_dir() or not ON_THE_HUB.fullmatch(model) or not all(map(find_spec, _LIBRARIES)):
        return
    hub: Any = import_module("huggingface_hub")
    if not isinstance(hub.try_to_load_from_cache(model, "config.json"), str) and not answers():
        raise not_found(model, UNREACHABLE)


def check_any(model: str, *others: str) -> None:
    """As `check` for a model whose name on the hub is not known yet: raises only where no model at all is on disk.

    Args:
        model: As a user names it; nothing is asked for a folder.
        others: Folders besides the hub's own in which it may be.

    Raises:
        BundleNotFound: It cannot be had.
    """
    if Path(model).exists() or not all(map(find_spec, _LIBRARIES)):
        return
    settings: Any = import_module("huggingface_hub.constants")
    folders = (Path(settings.HF_HUB_CACHE), *(Path(other).expanduser() for other in others))
    if not any(any(folder.glob("*/*")) or any(folder.glob("*.*")) for folder in folders) and not answers():
        raise not_found(model, UNREACHABLE)


def not_found(model: str, reason: str) -> BundleNotFound:
    """The error for a model that is neither a folder nor to be had from the hub."""
    return BundleNotFound(
        f"neither a folder nor a model of the Hugging Face hub: {reason}",
        item=model,
        remedy="check the name; load it once where there is a connection, or give a folder with the model",
    )
