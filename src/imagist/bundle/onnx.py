"""ONNX Runtime, which runs the graphs of models."""

from __future__ import annotations

import os
from importlib import import_module
from types import ModuleType

_TELEMETRY = "ORT_DISABLE_TELEMETRY"


def onnx_runtime() -> ModuleType:
    """The package ``onnxruntime``, imported at first use and without its telemetry.

    Since 1.32 it would write an id of the device to the home folder and send events to its maker. A value that the user
    has given ``ORT_DISABLE_TELEMETRY`` stays.
    """
    os.environ.setdefault(_TELEMETRY, "1")
    return import_module("onnxruntime")
