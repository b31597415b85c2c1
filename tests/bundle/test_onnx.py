"""ONNX Runtime is used without its telemetry."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = "from imagist.bundle.onnx import onnx_runtime; print(onnx_runtime().__name__)"


def test_nothing_is_written_about_the_device(tmp_path):
    dropped = ("ORT_DISABLE_TELEMETRY", "CI", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    environment = kept | {
        "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("onnxruntime\n", "")
    assert [*tmp_path.iterdir()] == []


def test_who_wants_telemetry_keeps_it(monkeypatch):
    from imagist.bundle.onnx import onnx_runtime

    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    onnx_runtime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
