"""Two processes that share each step's photos learn what one learns from all of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from imagist.training import checkpoint

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.timeout(1200)]

SCRIPT = Path(__file__).with_name("two_processes.py")
OF_A_GROUP = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def run(number, phase, folder):
    """One phase in ``number`` processes, as ``torchrun`` would start them."""
    inherited = {name: value for name, value in os.environ.items() if name not in OF_A_GROUP}
    inherited |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    shared = {"WORLD_SIZE": str(number), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = []
    for rank in range(number):
        own = shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} if number > 1 else {}
        command = [sys.executable, str(SCRIPT), phase, str(folder)]
        started.append(subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=inherited | own))
    try:
        for process in started:
            told, complained = process.communicate(timeout=500)
            assert process.returncode == 0, complained[-3000:]
            assert told.split() == [str(number)]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return [torch.load(folder / f"weights-{rank}.pt", weights_only=True) for rank in range(number)]


def telling(name, weight):
    """Without the biases of keys: they change no attention, and what Adam learns of them is rounding."""
    if name.endswith("own.bias"):
        query, _, value = weight.chunk(3)
        return torch.cat([query, value])
    return weight.chunk(2)[1] if name.endswith("cells.bias") else weight


@pytest.mark.parametrize("phase", ["cross_entropy", "naming"])
def test_they_end_with_the_weights_of_one(tmp_path, phase):
    (alone,) = run(1, phase, tmp_path / "1")
    both = run(2, phase, tmp_path / "2")
    one, two = (checkpoint.load(tmp_path / str(number) / "cross_entropy.pt") for number in (1, 2))
    assert one["step"] == two["step"] == 3
    for name, weight in alone.items():
        for found in both:
            pair = telling(name, found[name]), telling(name, weight)
            torch.testing.assert_close(*pair, atol=1e-5, rtol=0, msg=lambda m, name=name: f"{name}: {m}")
        pair = (telling(name, each["weights"][name]) for each in (two, one))
        torch.testing.assert_close(*pair, atol=1e-5, rtol=0)
    assert two["best_score"] == pytest.approx(one["best_score"], abs=1e-5)


def test_they_keep_equal_weights_where_each_draws_sentences_of_its_own(tmp_path):
    one, other = run(2, "self_critical", tmp_path)
    assert checkpoint.load(tmp_path / "self_critical.pt")["step"] == 3
    for name, weight in one.items():
        assert torch.equal(weight, other[name]), name
