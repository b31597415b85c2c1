"""What each process of `test_two_processes` runs: ``two_processes.py PHASE FOLDER``, three steps, weights to a file."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from tiny_training import Tiny

from imagist.training.captioners.cross_entropy import cross_entropy
from imagist.training.captioners.self_critical import self_critical

SETTINGS = {"average": 0.5, "rate": 1e-2}


def run(phase, folder):
    """Three steps of five photos of the first set and two of each other one: nine, which two cannot share evenly."""
    torch.set_num_threads(1)
    tiny = Tiny()
    model, learning = tiny.model(dropout=0.0), tiny.learning(folder)
    if phase == "words":
        cross_entropy(
            model, learning, replace(tiny.words, batch=5, epochs=3, doubly_stochastic_weight=0.5, warm=1, **SETTINGS)
        )
    else:
        self_critical(model, learning, replace(tiny.critical, batch=5, steps=3, warm=1, **SETTINGS), tiny.words)
    folder.mkdir(exist_ok=True)
    torch.save(model.state_dict(), folder / f"weights-{learning.accelerator.process_index}.pt")
    return learning.accelerator.num_processes


if __name__ == "__main__":
    number = run(sys.argv[1], Path(sys.argv[2]))
    if number > 1:
        torch.distributed.destroy_process_group()
    print(number)  # noqa: T201
