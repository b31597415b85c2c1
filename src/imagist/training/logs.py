"""The log of a training: on stderr and in a file of its folder."""

from __future__ import annotations

import logging
from pathlib import Path

from imagist.errors import OutputError


def begin_log(path: Path) -> None:
    """Makes the folder of a run, and logs to a file in it.

    Raises:
        OutputError: It cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        logged(path)
    except OSError as error:
        raise OutputError(f"cannot be written to: {error.strerror}", item=str(path.parent)) from error


def logged(path: Path) -> None:
    """Sends the log of the training to stderr and to a file."""
    handlers: list[logging.Handler] = [logging.StreamHandler(), logging.FileHandler(path)]
    form = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")
    logger = logging.getLogger("imagist.training")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in handlers:
        handler.setFormatter(form)
        logger.addHandler(handler)
    for chatty in ("onnxscript", "onnx_ir"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
