"""What each process of `test_two_processes` runs: ``two_processes.py PHASE FOLDER``, three steps, weights to a file."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from tiny_training import TEXTS, Tiny

from imagist.training.captioners.cross_entropy import train_cross_entropy
from imagist.training.captioners.self_critical import train_self_critical

SETTINGS = {"ema_decay": 0.5, "learning_rate": 1e-2}


def run(phase, folder):
    """Three steps of five photos of the first set and two of each other one: nine, which two cannot share evenly."""
    torch.set_num_threads(1)
    tiny = Tiny()
    model, context = tiny.model(dropout=0.0), tiny.context(folder)
    if phase == "naming":
        model, context = tiny.naming(dropout=0.0), replace(context, texts=TEXTS, text_share=0.6)
    if phase != "self_critical":
        train_cross_entropy(
            model,
            context,
            replace(
                tiny.cross_entropy, batch_size=5, epochs=3, doubly_stochastic_weight=0.5, warmup_steps=1, **SETTINGS
            ),
        )
    else:
        train_self_critical(
            model,
            context,
            replace(tiny.self_critical, batch_size=5, steps=3, warmup_steps=1, **SETTINGS),
            tiny.cross_entropy,
        )
    folder.mkdir(exist_ok=True)
    torch.save(model.state_dict(), folder / f"weights-{context.accelerator.process_index}.pt")
    return context.accelerator.num_processes


if __name__ == "__main__":
    number = run(sys.argv[1], Path(sys.argv[2]))
    if number > 1:
        torch.distributed.destroy_process_group()
    print(number)  # noqa: T201
