"""Trains an encoder by distillation: images, teacher, units, tail, weights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from imagist.storage import atomic_write, write_json
from imagist.training.encoders.distillation.fidelity import fidelity
from imagist.training.encoders.distillation.images import read_images
from imagist.training.encoders.distillation.recipe import DistillationRecipe
from imagist.training.encoders.distillation.tail import compute_maps, train_tail
from imagist.training.encoders.distillation.teacher import open_teacher
from imagist.training.encoders.distillation.units import train_units
from imagist.training.networks.mobilenet import Encoder, teacher_units

log = logging.getLogger("imagist.training")

WEIGHTS = "encoder.safetensors"


def train(
    recipe: DistillationRecipe, data: Path, folder: Path, features: Path,
    curves: Callable[[str, int, dict[str, float]], None] = lambda phase, step, figures: None,
) -> Path:  # fmt: skip
    """Trains the encoder, or continues where an earlier run in ``folder`` stopped.

    Args:
        recipe: Its settings.
        data: Folder of the recipe's relative paths.
        folder: Receives checkpoints, ``measured.json`` and the weights.
        features: Cache of the maps of all views.
        curves: Called with the name of a phase, the step and figures.

    Returns:
        The file of weights, which a recipe's ``[backbone]`` opens as ``imagist:mobilenetv2``.

    Raises:
        DataError: Images or the teacher's weights cannot be read.
    """
    path = folder / WEIGHTS
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    corpora = [read_images(corpus.sources, data) for corpus in recipe.data.train]
    dev = read_images(recipe.data.dev, data)
    dev = dev[:: max(1, len(dev) // recipe.data.dev_images)][: recipe.data.dev_images]
    torch.manual_seed(recipe.seed)
    student = Encoder().to(memory_format=torch.channels_last)
    teacher = open_teacher(data / recipe.teacher)
    teacher_map = torch.nn.Sequential(*teacher_units(teacher))

    def measure(phase: str, steps: int) -> dict[str, float]:
        figures = fidelity(student, teacher_map, dev, recipe.image_size)
        log.info("%s  R2 %.3f  cosine of pooled maps %.3f", phase, *figures.values())
        curves(phase, steps, figures)
        return figures

    train_units(student, teacher, corpora, recipe, folder)
    measured = {"units": measure("units", len(student.units))}
    train_tail(student, teacher, compute_maps(student, teacher, corpora, recipe, features), recipe, folder)
    measured["tail"] = measure("tail", recipe.tail.steps)
    write_json(folder / "measured.json", measured)
    weights = {name: tensor.contiguous() for name, tensor in student.state_dict().items()}
    with atomic_write(path) as draft:
        save_file(weights, draft)
    return path
