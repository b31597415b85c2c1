"""The units phase: each unit in turn learns to produce the output of the teacher's unit.

Shapes: N images, D channels, s side of a map.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from imagist.images.photo import ImageSource
from imagist.training import checkpoint
from imagist.training.encoders.distillation.fidelity import bf16, r_squared
from imagist.training.encoders.distillation.images import normalised
from imagist.training.encoders.distillation.recipe import DistillationRecipe, Units
from imagist.training.networks.mobilenet import Encoder, InvertedResidual, last_norm, teacher_units
from imagist.training.schedules import warmup_cosine

log = logging.getLogger("imagist.training")

BATCH = 50  # maps that are computed together


def train_units(
    student: Encoder, teacher: nn.Module, corpora: Sequence[Sequence[ImageSource]], recipe: DistillationRecipe,
    folder: Path,
) -> None:  # fmt: skip
    """Trains every unit of the student in place; saves a checkpoint after each."""
    path = folder / "units.pt"
    saved = checkpoint.load(path)
    if saved:
        student.load_state_dict(saved["weights"])
        if saved["done"] == len(student.units):
            return
    inputs = wanted = sample(corpora, recipe)
    for number, (unit, example) in enumerate(zip(student.units, teacher_units(teacher), strict=True)):
        wanted = apply(example, wanted)
        if saved is None or number >= saved["done"]:
            steps = recipe.units.steps[(recipe.image_size // inputs.shape[2]).bit_length() - 1]
            rng = np.random.default_rng((recipe.seed, number))
            r2 = train_unit(unit, inputs, wanted, rng, recipe.units, steps)
            log.info("unit %d/%d  %s  R2 %.3f", number + 1, len(student.units), tuple(wanted.shape[1:]), r2)
            checkpoint.save(path, {"weights": student.state_dict(), "done": number + 1})
        inputs = apply(unit.eval(), inputs)


def sample(corpora: Sequence[Sequence[ImageSource]], recipe: DistillationRecipe) -> Tensor:
    """A fixed sample of whole images, by the corpora's shares and mixed: float16 ``[units.images, 3, S, S]``."""
    rng = np.random.default_rng(recipe.seed)
    maps = []
    for images, corpus in zip(corpora, recipe.data.train, strict=True):
        chosen = rng.choice(len(images), min(len(images), round(corpus.share * recipe.units.images)), replace=False)
        maps.append(normalised([images[i] for i in chosen], recipe.image_size).half())
    joined = torch.cat(maps)
    return joined[torch.from_numpy(rng.permutation(len(joined)))]


def train_unit(
    unit: nn.Module, inputs: Tensor, wanted: Tensor, rng: np.random.Generator, settings: Units, steps: int
) -> float:
    """Fits one unit; returns its R2 on a held-out twentieth.

    Args:
        unit: Trained in place.
        inputs: float16 ``[N, D, s, s]``.
        wanted: float16, the output to reproduce.
        rng: Draws the batches and their crops.
        settings: Of the phase.
        steps: Steps for this unit.
    """
    held_out = len(inputs) // 20
    train_inputs, train_wanted = inputs[held_out:], wanted[held_out:]
    side, stride = inputs.shape[2], inputs.shape[2] // wanted.shape[2]
    crop = min(side, 112 if side > 112 else 56)
    scale = match_scale(unit, train_inputs[:200], train_wanted[:200])
    optimizer = torch.optim.AdamW(
        unit.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.99)
    )
    unit.train()
    for step in range(steps):
        set_learning_rate(optimizer, settings.learning_rate, step, steps, warmup_steps=settings.warmup_steps)
        rows = torch.from_numpy(rng.integers(len(train_inputs), size=settings.batch_size))
        top, left = (int(rng.integers((side - crop) // stride + 1)) for _ in range(2))
        window = (slice(top * stride, top * stride + crop), slice(left * stride, left * stride + crop))
        goal = (slice(top, top + crop // stride), slice(left, left + crop // stride))
        x = train_inputs[rows, :, *window].float().contiguous(memory_format=torch.channels_last)
        error = (bf16(unit, x) - train_wanted[rows, :, *goal].float()) ** 2
        # a crop's border is padded with zeros where the whole map has neighbours
        loss = (error[:, :, 1:-1, 1:-1] if crop < side else error).mean() / scale
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return r_squared(apply(unit.eval(), inputs[:held_out]).float(), wanted[:held_out].float())


def match_scale(unit: nn.Module, inputs: Tensor, wanted: Tensor) -> float:
    """Initialises the unit's last norm with the mean and spread of its wanted output; returns its mean variance."""
    wanted = wanted.float()
    norm = last_norm(unit)
    with torch.no_grad():
        if isinstance(unit, InvertedResidual) and unit.residual:
            norm.weight.copy_((wanted - inputs.float()).std((0, 2, 3)) / 2)
        else:
            norm.weight.copy_(wanted.std((0, 2, 3)))
            norm.bias.copy_(wanted.mean((0, 2, 3)))
    return float(wanted.var((0, 2, 3)).mean())


@torch.no_grad()
def apply(unit: nn.Module, maps: Tensor) -> Tensor:
    """The unit's outputs for many maps, float16."""
    batches = torch.split(maps, BATCH)
    return torch.cat([unit(x.float().contiguous(memory_format=torch.channels_last)).half() for x in batches])


def set_learning_rate(
    optimizer: torch.optim.Optimizer, peak: float, step: int, steps: int, *, warmup_steps: int
) -> None:
    """Sets the learning rate of a step for all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = warmup_cosine(peak, step, steps, warmup_steps=warmup_steps)
