"""Trains an encoder by distillation: images, teacher, two phases, weights."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save_file
from torch import nn

from imagist.bundle import write_trained_on
from imagist.datasets.entries import Example
from imagist.datasets.near_duplicates import hashes
from imagist.storage import atomic_write, write_json
from imagist.training import checkpoint
from imagist.training.devices import device_of
from imagist.training.encoders.distillation.images import Pool, read_classes, read_pixels
from imagist.training.encoders.distillation.measure import accuracy, fidelity
from imagist.training.encoders.distillation.recipe import DistillationRecipe, Phase
from imagist.training.encoders.distillation.teacher import losses, open_teacher, weighted
from imagist.training.image_rows import read_rows
from imagist.training.networks.efficientnet_lite import EfficientNetLite
from imagist.training.progress import Progress
from imagist.training.schedules import warmup_cosine

log = logging.getLogger("imagist.training")

WEIGHTS = "encoder.safetensors"
STAGES, WHOLE = "stages", "whole"  # the phases; in the first, each stage reads the teacher's map before it
FIGURES_EVERY = 20  # steps; to read a loss, the host waits for the device

Curves = Callable[[str, int, dict[str, float]], None]


def train(
    recipe: DistillationRecipe, data: Path, folder: Path, curves: Curves = lambda phase, step, figures: None
) -> Path:
    """Trains the encoder, or continues where an earlier run in ``folder`` stopped.

    Args:
        recipe: Its settings.
        data: Folder of the recipe's relative paths.
        folder: Receives checkpoints, ``measured.json`` and the weights.
        curves: Called with the name of a phase, the step and figures.

    Returns:
        The file of weights, head included, which a recipe's ``[backbone]`` opens as ``imagist:efficientnet-lite0``.

    Raises:
        DataError: Images or the teacher's weights cannot be read.
    """
    path, measured_path = folder / WEIGHTS, folder / "measured.json"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    device = device_of(recipe.device)
    measure = measurement(recipe, data)
    torch.manual_seed(recipe.seed)
    networks = Networks(EfficientNetLite(), open_teacher(data / recipe.teacher), recipe.optimization.ema_decay, device)
    pool = Pool.read(recipe, data, device)
    measured = json.loads(measured_path.read_text("utf-8")) if measured_path.exists() else {}
    for name, phase in ((STAGES, recipe.stages), (WHOLE, recipe.whole)):
        train_phase(name, phase, networks, pool, recipe, folder / f"{name}.pt", curves)
        if name not in measured:
            measured[name] = measure(networks)
            log.info("%s  %s", name, "  ".join(f"{key} {value:.3f}" for key, value in measured[name].items()))
            curves(name, phase.steps, measured[name])
            write_json(measured_path, measured)
    weights = {key: tensor.cpu().contiguous() for key, tensor in networks.averaged.state_dict().items()}
    rows = [row for corpus in recipe.data.train for row in read_rows(corpus.sources, data)]
    write_trained_on(folder, hashes([Example(row.source, "", row.content) for row in rows]))
    with atomic_write(path) as draft:
        save_file(weights, draft)
    return path


class Networks:
    """Student, teacher and the moving average of the student, on a device.

    Args:
        student: Trained in place.
        teacher: Frozen.
        ema_decay: Decay of the average, a step.
        device: Where they are.
    """

    def __init__(
        self, student: EfficientNetLite, teacher: EfficientNetLite, ema_decay: float, device: torch.device
    ) -> None:
        self.student = student.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher = teacher.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = torch.optim.swa_utils.AveragedModel(
            self.student,
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(ema_decay),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        self.device = device

    @property
    def averaged(self) -> EfficientNetLite:
        """The result, in eval mode."""
        return cast(EfficientNetLite, self.average.module.eval())


def train_phase(
    name: str, phase: Phase, networks: Networks, pool: Pool, recipe: DistillationRecipe, path: Path, curves: Curves
) -> None:
    """Trains the student and its average in place, from the checkpoint on; batches depend on seed and step alone.

    Args:
        name: `STAGES` or `WHOLE`.
        phase: Its settings.
        networks: Student, teacher, average.
        pool: The images.
        recipe: Settings of both phases.
        path: Of the checkpoint.
        curves: As in `train`.
    """
    settings, student = recipe.optimization, networks.student
    optimizer = make_optimizer(student, settings.weight_decay)
    first = 0
    if saved := checkpoint.load(path):
        student.load_state_dict(saved["weights"])
        networks.average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["step"]
    progress, figures = Progress(name, phase.steps, first), dict[str, float]()
    student.train()
    with torch.backends.cudnn.flags(enabled=True, benchmark=True):
        for step in range(first, phase.steps):
            for group in optimizer.param_groups:
                group["lr"] = warmup_cosine(
                    settings.learning_rate, step, phase.steps, warmup_steps=settings.warmup_steps
                )
            side = phase.image_sizes[step * len(phase.image_sizes) // phase.steps]
            x = pool.batch(settings.batch_size, side, recipe.augmentation, (recipe.seed, int(name == STAGES), step))
            with torch.autocast(networks.device.type, torch.bfloat16):
                parts = losses(student, networks.teacher, x, by_stage=name == STAGES)
            optimizer.zero_grad()
            weighted(parts, phase, step / phase.steps).backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(student.parameters(), settings.max_grad_norm)
            optimizer.step()
            networks.average.update_parameters(student)
            if step % FIGURES_EVERY == 0:
                figures = {key: float(part.detach()) for key, part in parts.items()}
            progress.step(settings.batch_size, **figures)
            if (step + 1) % settings.save_every == 0 or step + 1 == phase.steps:
                curves(name, step + 1, figures)
                state = {"weights": student.state_dict(), "average": networks.average.state_dict(), "step": step + 1}
                checkpoint.save(path, {**state, "optimizer": optimizer.state_dict()})


def make_optimizer(student: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW that decays matrices and kernels, not the weights of norms and biases."""
    large, small = ([p for p in student.parameters() if (p.ndim > 1) == is_large] for is_large in (True, False))
    groups = [{"params": large, "weight_decay": weight_decay}, {"params": small, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98))


def measurement(recipe: DistillationRecipe, data: Path) -> Callable[[Networks], dict[str, float]]:
    """Decodes the images of dev; returns a function that measures the average of a training on them."""
    dev = read_rows(recipe.data.dev, data)
    dev = dev[:: max(1, len(dev) // recipe.data.dev_images)][: recipe.data.dev_images]
    images = read_pixels(dev, recipe.image_size)
    rows = read_rows(recipe.data.classes, data)
    labelled, classes = read_pixels(rows, recipe.image_size), read_classes(rows)

    def measure(networks: Networks) -> dict[str, float]:
        found = fidelity(networks.averaged, networks.teacher, images)
        return found | (accuracy(networks.averaged, labelled, classes) if rows else {})

    return measure
