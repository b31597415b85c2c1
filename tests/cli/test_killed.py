"""A run that is killed outright, in a process of its own, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import imagist

SCRIPT = """
import signal
import sys
import fake_pipeline
fake_pipeline.install()
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job, such as these tests, lacks
from imagist.cli.main import main
sys.exit(main())
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def command(*argv):
    return [sys.executable, "-c", SCRIPT, *map(str, argv)]


def environment(seconds):
    places = os.pathsep.join(map(str, (Path(__file__).parent, Path(imagist.__file__).parent.parent)))
    return os.environ | {"PYTHONPATH": places, "FAKE_SECONDS": str(seconds)}


def run(*argv, seconds=0.0):
    return subprocess.run(command(*argv), env=environment(seconds), capture_output=True, text=True, check=False)


def stopped(argv, journal, sent):
    """Starts a slow run and sends it a signal once a batch is in the journal; gives its exit code and stderr."""
    process = subprocess.Popen(command(*argv), env=environment(0.3), stderr=subprocess.PIPE, text=True)
    with process:
        while process.poll() is None and not (journal.exists() and journal.read_bytes().partition(b"\n")[2]):
            time.sleep(0.01)
        process.send_signal(sent)
        _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_kill_9_between_batches_loses_nothing(photos, tmp_path, suffix):
    out, whole = tmp_path / f"x.{suffix}", tmp_path / f"whole.{suffix}"
    journal = tmp_path / f"x.{suffix}.partial"
    argv = ["classify", photos, "--out", out, "--batch-size", "1"]
    code, _ = stopped(argv, journal, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert not out.exists()
    again = run(*argv, "--resume")
    assert again.returncode == 0
    assert 1 <= int(again.stderr.partition("resuming after ")[2].partition(" ")[0]) < 7
    assert run("classify", photos, "--out", whole).returncode == 0
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["photos", out.name, whole.name])


def test_kill_9_between_parts_loses_nothing(photos, tmp_path):
    folder, whole = tmp_path / "parts", tmp_path / "whole.parquet"
    argv = ["classify", photos, "--out", f"{folder}/", "--part-rows", "2", "--batch-size", "1"]
    with subprocess.Popen(command(*argv), env=environment(0.1), stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not [*folder.glob("part*")]:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert 1 <= len([*folder.glob("part*")]) < 4
    again = run(*argv, "--resume")
    assert again.returncode == 0
    assert "resuming after" in again.stderr
    assert run("classify", photos, "--out", whole).returncode == 0
    assert pq.read_table(folder).to_pylist() == pq.read_table(whole).to_pylist()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_with_130_and_without_a_traceback(photos, tmp_path, sent):
    journal = tmp_path / "x.csv.partial"
    argv = ["classify", photos, "--out", tmp_path / "x.csv", "--batch-size", "1"]
    code, err = stopped(argv, journal, sent)
    assert code == 130
    assert "Traceback" not in err
    assert "--resume" in err
    assert run(*argv, "--resume").returncode == 0


def test_a_reader_that_goes_away_ends_the_run_quietly(photos):
    with subprocess.Popen(
        command("classify", photos, "--quiet"),
        env=environment(0),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(60) == 1
    assert err == ""
