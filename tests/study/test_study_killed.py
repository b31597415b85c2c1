"""A study that is killed outright, in a process of its own, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("scipy")

from imagist.cli.main import main

SCRIPT = """
import sys
import time
import imagist.study.jobs as jobs

fit = jobs.fit_words


def slowly(*given):
    time.sleep(1)
    return fit(*given)


jobs.fit_words = slowly
from imagist.cli.main import main
sys.exit(main())
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.torch,
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
]


def arguments(colours, folder):
    paths = "--data", colours.data, "--folder", folder
    wanted = "--set", "folds.number=3", "--set", "fusion.kinds=['score', 'logit']"
    return [*map(str, ("study", colours.config, *paths, *wanted))]


def killed(argv, store, cwd):
    """Starts a study of slow fits and kills it once two of them are kept; gives its exit code and stderr."""
    command = [sys.executable, "-c", SCRIPT, *argv]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, cwd=cwd, env=environment, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and len([*store.glob("text-*.npz")]) < 2:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    return process.returncode, err


def test_kill_9_between_fits_loses_nothing(colours, tmp_path, monkeypatch, undrawn):
    monkeypatch.setattr("imagist.training.logs.logged", lambda path: None)
    monkeypatch.chdir(tmp_path)
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    code, err = killed(arguments(colours, broken), broken / "store", tmp_path)
    assert code == -signal.SIGKILL, err
    assert not (broken / "results.parquet").exists()
    kept = {file.name: file.stat().st_mtime_ns for file in (broken / "store").glob("*.npz")}
    assert {name.rpartition("-")[0] for name in kept} == {"duplicates", "captions", "text"}
    assert 2 + 2 <= len(kept) < 2 + 3
    for folder in (broken, whole):
        assert main(arguments(colours, folder)) == 0
    for name in ("results.parquet", "predictions.parquet", "tables.md"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert kept.items() <= {file.name: file.stat().st_mtime_ns for file in (broken / "store").glob("*.npz")}.items()
    for kind in ("text", "image", "score", "logit", "distilled"):
        assert len([*(whole / "store").glob(f"{kind}-*.npz")]) == 3
