"""The tail phase: the last units learn together from many views.

Shapes: N images, V views, n views of a batch; the stem's map is ``[96, S/16, S/16]``, the goal ``[320, S/32, S/32]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import Halves
from imagist.images.photo import ImageSource
from imagist.training import checkpoint
from imagist.training.encoders.backbone import HALF
from imagist.training.encoders.distillation.recipe import DistillationRecipe
from imagist.training.encoders.distillation.units import set_learning_rate
from imagist.training.encoders.grid_cache import cached_grids
from imagist.training.encoders.grid_encoder import GridEncoder
from imagist.training.encoders.views import Views
from imagist.training.networks.mobilenet import Encoder, teacher_units
from imagist.training.progress import Progress

CUT = 14  # units before the tail
STEM_CHANNELS, GOAL_CHANNELS = 96, 320


@dataclass(frozen=True, eq=False)
class Maps:
    """What student and teacher compute of every view of one corpus.

    Attributes:
        stems: float16 ``[N, V, (S/16)^2, 96]``, the output of the student's first `CUT` units.
        goals: float16 ``[N, V, (S/32)^2, 320]``, the output of the teacher's last unit but one.
    """

    stems: Halves
    goals: Halves


def compute_maps(
    student: Encoder, teacher: nn.Module, corpora: Sequence[Sequence[ImageSource]], recipe: DistillationRecipe,
    folder: Path,
) -> list[Maps]:  # fmt: skip
    """The maps of every corpus, computed once and cached in ``folder``."""
    stem = GridEncoder(nn.Sequential(*student.units[:CUT]), STEM_CHANNELS, HALF, HALF, "stem").eval()
    before_last = nn.Sequential(*teacher_units(teacher)[:-1])
    goal = GridEncoder(before_last, GOAL_CHANNELS, HALF, HALF, "goal").eval()
    found, cpu = [], torch.device("cpu")
    for images, corpus in zip(corpora, recipe.data.train, strict=True):
        views = Views(
            recipe.image_size,
            corpus.views,
            recipe.data.min_crop_area,
            recipe.data.coarse,
            mirror=False,
            seed=recipe.seed,
        )
        found.append(Maps(*(cached_grids(encoder, images, views, folder, cpu) for encoder in (stem, goal))))
    return found


def train_tail(
    student: Encoder, teacher: nn.Module, corpora: Sequence[Maps], recipe: DistillationRecipe, folder: Path
) -> None:
    """Trains the student's last units in place; batches depend on the seed and the step alone."""
    settings, path = recipe.tail, folder / "tail.pt"
    tail, last = nn.Sequential(*student.units[CUT:]), teacher_units(teacher)[-1]
    optimizer = torch.optim.AdamW(
        tail.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, betas=(0.9, 0.99)
    )
    average = torch.optim.swa_utils.AveragedModel(
        tail,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.ema_decay),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    first = 0
    if saved := checkpoint.load(path):
        tail.load_state_dict(saved["weights"])
        average.load_state_dict(saved["average"])
        optimizer.load_state_dict(saved["optimizer"])
        first = saved["step"]
    progress = Progress("tail", settings.steps, first)
    for step in range(first, settings.steps):
        set_learning_rate(optimizer, settings.learning_rate, step, settings.steps, warmup_steps=settings.warmup_steps)
        stems, goals = mixed_batch(corpora, np.random.default_rng((recipe.seed, 1, step)), recipe)
        tail.train()
        loss = tail_loss(tail, last, teacher, stems, goals, settings.class_weight)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(tail.parameters(), settings.max_grad_norm)
        optimizer.step()
        average.update_parameters(tail)
        progress.step(settings.batch_size, loss=float(loss.detach()))
        if (step + 1) % settings.save_every == 0 or step + 1 == settings.steps:
            state = {"weights": tail.state_dict(), "average": average.state_dict(), "step": step + 1}
            checkpoint.save(path, {**state, "optimizer": optimizer.state_dict()})
    tail.load_state_dict(average.module.state_dict())


def mixed_batch(corpora: Sequence[Maps], rng: np.random.Generator, recipe: DistillationRecipe) -> tuple[Tensor, Tensor]:
    """Stems ``[n, 96, S/16, S/16]`` and goals ``[n, 320, S/32, S/32]`` of views drawn by the corpora's shares."""
    shares = [corpus.share for corpus in recipe.data.train]
    pairs = []
    for number in rng.choice(len(corpora), recipe.tail.batch_size, p=shares):
        maps = corpora[number]
        image, view = rng.integers(maps.stems.shape[0]), rng.integers(maps.stems.shape[1])
        pairs.append((maps.stems[image, view], maps.goals[image, view]))
    stems, goals = zip(*pairs, strict=True)
    return as_maps(stems), as_maps(goals)


def as_maps(grids: Sequence[Halves]) -> Tensor:
    """Grids ``[L, D]`` of n views to maps float32 ``[n, D, h, h]``, channels last in memory."""
    x = torch.from_numpy(np.stack(grids).astype(np.float32))
    side = round(x.shape[1] ** 0.5)
    maps = x.transpose(1, 2).reshape(len(x), -1, side, side)
    return maps.contiguous(memory_format=torch.channels_last)


def tail_loss(
    tail: nn.Sequential, last: nn.Module, teacher: nn.Module, stems: Tensor, goals: Tensor, class_weight: float
) -> Tensor:
    """Squared errors of the last two maps in units of their variance, plus the divergence of the class probabilities.

    Args:
        tail: The student's last units.
        last: The teacher's last unit.
        teacher: Its classifier gives the class probabilities of both.
        stems: ``[n, 96, S/16, S/16]``.
        goals: ``[n, 320, S/32, S/32]``.
        class_weight: Weight of the divergence.
    """
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.no_grad():
            wanted = last(goals)
        before = tail[:-1](stems)
        predicted = tail[-1](before)
    loss = torch.zeros(())
    for weight, ours, theirs in ((0.5, before.float(), goals), (1.0, predicted.float(), wanted.float())):
        loss = loss + weight * F.mse_loss(ours, theirs) / theirs.var((0, 2, 3)).mean().clamp_min(1e-4)
    ours, theirs = (F.log_softmax(teacher.classifier(m.float().mean((2, 3))), -1) for m in (predicted, wanted))  # type: ignore[operator]
    return loss + class_weight * F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
