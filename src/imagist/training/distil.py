"""Recipe: the embedded encoder, from random weights, by matching the feature maps of a teacher.

Two phases. *Units*: each of the 19 units learns, in turn, to give what the teacher's unit gives, fed by the student's own
units before it, so that it also mends their errors (blockwise distillation; Shen et al. 2021, "Progressive Network
Grafting for Few-Shot Knowledge Distillation"). *Whole*: all units together match the last map and a few on the way, on
freshly varied photographs (Romero et al. 2015, "FitNets"; Beyer et al. 2022, "Knowledge distillation: a good teacher is
patient and consistent"), and the teacher's own verdict on the pooled map.

The teacher's weights are read, matched and left behind: nothing of them is copied into the student.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.training import checkpoint
from imagist.training.networks import Encoder, InvertedResidual, last_norm, teacher_units
from imagist.training.photographs import PhotoSet, normalised, varied
from imagist.training.progress import Progress

log = logging.getLogger("imagist.training")


@dataclass(frozen=True)
class DistilConfig:
    """Settings of the recipe.

    Attributes:
        seed: Of the weights, of the order of the photographs and of their views.
        unit_photos: Photographs that the units phase looks at.
        unit_steps: Steps a unit, by the side of its input in pixels.
        unit_rate: Peak learning rate of the units phase.
        steps: Steps of the whole phase.
        batch: Photographs a step of the whole phase.
        rate: Peak learning rate of the whole phase.
        shares: Chance that a photograph of the whole phase comes from each set, summing to 1.
        keep_every: Steps between checkpoints.
    """

    seed: int = 0
    unit_photos: int = 2000
    unit_steps: tuple[tuple[int, int], ...] = ((224, 1000), (112, 700), (56, 800), (28, 1000), (14, 1500), (7, 1500))
    unit_rate: float = 5e-3
    steps: int = 2600
    batch: int = 24
    rate: float = 1.5e-3
    shares: tuple[float, ...] = (0.55, 0.2, 0.25)
    keep_every: int = 100


def teacher(weights: Path) -> nn.Module:
    """MobileNetV2 1.0 with the ImageNet weights at hand, for reading only (`timm`, padding as TensorFlow)."""
    model = timm.create_model("mobilenetv2_100", pretrained=False, num_classes=1000, pad_type="same")
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(weights).items()})
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[no-any-return]


def distil(sets: Sequence[PhotoSet], judge: PhotoSet, weights: Path, folder: Path, config: DistilConfig) -> Encoder:
    """Trains the encoder, or goes on where ``folder`` says an earlier run stood.

    Args:
        sets: The training photographs, one set for each of ``config.shares``.
        judge: Photographs of no training set, on which fidelity is reported.
        weights: The teacher's safetensors.
        folder: Receives ``encoder.pt`` and the checkpoints.
        config: Settings.

    Returns:
        The encoder, in eval mode.
    """
    torch.manual_seed(config.seed)
    student = Encoder().to(memory_format=torch.channels_last)
    model = teacher(weights)
    finished = checkpoint.load(folder / "encoder.pt")
    if finished is None:
        if (folder / "whole.pt").exists() is False:
            train_units(student, model, sets, folder, config)
        train_whole(student, model, sets, judge, folder, config)
        checkpoint.save(folder / "encoder.pt", {"weights": student.state_dict(), "config": str(asdict(config))})
    else:
        student.load_state_dict(finished["weights"])
    return student.eval()


# ---------------------------------------------------------------------------------------------------- units, in turn


def train_units(student: Encoder, model: nn.Module, sets: Sequence[PhotoSet], folder: Path, config: DistilConfig) -> None:
    """The units phase; keeps a checkpoint after each unit."""
    target = input_maps(sets, config)
    given = target
    kept = checkpoint.load(folder / "units.pt")
    if kept:
        student.load_state_dict(kept["weights"])
    for number, (learner, example) in enumerate(zip(student.units, teacher_units(model), strict=True)):
        wanted = mapped(example, target)
        if kept is None or number >= kept["done"]:
            fidelity = train_unit(learner, given, wanted, np.random.default_rng((config.seed, number)), config)
            log.info("unit %d/%d  %s  R2 %.3f", number + 1, len(student.units), tuple(wanted.shape[1:]), fidelity)
            checkpoint.save(folder / "units.pt", {"weights": student.state_dict(), "done": number + 1})
        given, target = mapped(learner.eval(), given), wanted


def input_maps(sets: Sequence[PhotoSet], config: DistilConfig) -> Tensor:
    """A fixed, mixed sample of all sets, whole pictures: float16 ``[unit_photos, 3, 224, 224]``."""
    rng = np.random.default_rng(config.seed)
    maps = []
    for photos, share in zip(sets, config.shares, strict=True):
        chosen = rng.choice(len(photos), min(len(photos), round(share * config.unit_photos)), replace=False)
        maps.append(normalised(photos.pixels[chosen]).half())
    joined = torch.cat(maps)
    return joined[torch.from_numpy(rng.permutation(len(joined)))]


def train_unit(unit: nn.Module, given: Tensor, wanted: Tensor, rng: np.random.Generator, config: DistilConfig) -> float:
    """Fits one unit to ``wanted`` maps from ``given`` ones; returns R2 on a held-out twentieth."""
    held = len(given) // 20
    learn_given, learn_wanted = given[held:], wanted[held:]
    side, stride = given.shape[2], given.shape[2] // wanted.shape[2]
    crop = min(side, 112 if side > 112 else 56)
    scale = match_scale(unit, learn_given[:200], learn_wanted[:200])
    steps = dict(config.unit_steps)[side]
    optimiser = torch.optim.AdamW(unit.parameters(), lr=config.unit_rate, weight_decay=1e-4, betas=(0.9, 0.99))
    unit.train()
    for step in range(steps):
        set_rate(optimiser, config.unit_rate, step, steps, warm=20)
        rows = torch.from_numpy(rng.integers(len(learn_given), size=16))
        top, left = (int(rng.integers((side - crop) // stride + 1)) for _ in range(2))
        window = (slice(top * stride, top * stride + crop), slice(left * stride, left * stride + crop))
        goal = (slice(top, top + crop // stride), slice(left, left + crop // stride))
        x = learn_given[rows, :, *window].float().contiguous(memory_format=torch.channels_last)
        error = (brain_float(unit, x) - learn_wanted[rows, :, *goal].float()) ** 2
        # the rim of a crop is padded with zeros where the whole map has neighbours
        loss = (error[:, :, 1:-1, 1:-1] if crop < side else error).mean() / scale
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return r_squared(mapped(unit.eval(), given[:held]).float(), wanted[:held].float())


def match_scale(unit: nn.Module, given: Tensor, wanted: Tensor) -> float:
    """Starts the unit's last norm at the mean and spread of what it must give; returns the mean variance."""
    wanted = wanted.float()
    norm = last_norm(unit)
    with torch.no_grad():
        if isinstance(unit, InvertedResidual) and unit.residual:
            norm.weight.copy_((wanted - given.float()).std((0, 2, 3)) / 2)
        else:
            norm.weight.copy_(wanted.std((0, 2, 3)))
            norm.bias.copy_(wanted.mean((0, 2, 3)))
    return float(wanted.var((0, 2, 3)).mean())


@torch.no_grad()
def mapped(unit: nn.Module, maps: Tensor) -> Tensor:
    """A unit over many maps, kept as float16."""
    return torch.cat([unit(m.float().contiguous(memory_format=torch.channels_last)).half() for m in maps.split(50)])


# ---------------------------------------------------------------------------------------------------- all together


def train_whole(
    student: Encoder, model: nn.Module, sets: Sequence[PhotoSet], judge: PhotoSet, folder: Path, config: DistilConfig
) -> None:
    """The whole phase. The views of a step depend on the seed and the step alone, so a resumed run sees the same."""
    optimiser = torch.optim.AdamW(student.parameters(), lr=config.rate, weight_decay=1e-4, betas=(0.9, 0.99))
    average = torch.optim.swa_utils.AveragedModel(
        student, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True
    )
    kept = checkpoint.load(folder / "whole.pt")
    first = 0
    if kept:
        student.load_state_dict(kept["weights"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        first = kept["step"]
    examples = teacher_units(model)
    progress = Progress("encoder", config.steps, first)
    for step in range(first, config.steps):
        set_rate(optimiser, config.rate, step, config.steps, warm=100)
        x = mixed_batch(sets, np.random.default_rng((config.seed, 1, step)), config)
        student.train()
        loss = whole_loss(student, examples, model, x)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimiser.step()
        average.update_parameters(student)
        progress.step(config.batch, loss=float(loss.detach()), rate=optimiser.param_groups[0]["lr"])
        if (step + 1) % config.keep_every == 0 or step + 1 == config.steps:
            state = {"weights": student.state_dict(), "average": average.state_dict(), "step": step + 1}
            checkpoint.save(folder / "whole.pt", {**state, "optimiser": optimiser.state_dict()})
        if (step + 1) % (5 * config.keep_every) == 0 or step + 1 == config.steps:
            log.info("encoder %d  R2 %.3f  cosine of pooled %.3f", step + 1, *fidelity(average.module, model, judge))
    student.load_state_dict(average.module.state_dict())


def mixed_batch(sets: Sequence[PhotoSet], rng: np.random.Generator, config: DistilConfig) -> Tensor:
    """float32 ``[batch, 3, 224, 224]``: photographs drawn from the sets by their shares, each varied."""
    views = []
    for number in rng.choice(len(sets), config.batch, p=config.shares):
        photos = sets[number]
        views.append(varied(photos.pixels[rng.integers(len(photos))], rng))
    return torch.cat(views).contiguous(memory_format=torch.channels_last)


_WAYPOINTS = {4: 0.3, 10: 0.3, 13: 0.3, 17: 0.5, 18: 2.0}  # unit -> weight of its squared error


def whole_loss(student: Encoder, examples: Sequence[nn.Module], model: nn.Module, x: Tensor) -> Tensor:
    """Squared error of the maps at the waypoints in units of their variance, and the verdicts' divergence."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.no_grad():
            wanted, y = {}, x
            for number, unit in enumerate(examples):
                y = unit(y)
                if number in _WAYPOINTS:
                    wanted[number] = y.float()
        given = {n: y.float() for n, y in enumerate(student.outputs(x)) if n in _WAYPOINTS}
    loss = torch.zeros(())
    for number, weight in _WAYPOINTS.items():
        goal = wanted[number]
        loss = loss + weight * F.mse_loss(given[number], goal) / goal.var((0, 2, 3)).mean().clamp_min(1e-4)
    last = max(_WAYPOINTS)
    verdicts = [F.log_softmax(model.classifier(m[last].mean((2, 3))), -1) for m in (given, wanted)]  # type: ignore[operator]
    return loss + 0.3 * F.kl_div(*verdicts, reduction="batchmean", log_target=True)


@torch.no_grad()
def fidelity(student: Encoder, model: nn.Module, judge: PhotoSet) -> tuple[float, float]:
    """R2 of the last map and mean cosine of the pooled maps on photographs of no training set."""
    examples = nn.Sequential(*teacher_units(model))
    pairs = []
    student.eval()
    for start in range(0, len(judge), 50):
        x = normalised(judge.pixels[start : start + 50])
        pairs.append((brain_float(student, x), brain_float(examples, x)))
    given, wanted = (torch.cat(maps) for maps in zip(*pairs, strict=True))
    cosine = F.cosine_similarity(given.mean((2, 3)), wanted.mean((2, 3))).mean()
    return r_squared(given, wanted), float(cosine)


def r_squared(given: Tensor, wanted: Tensor) -> float:
    """Share of the variance of ``wanted`` about its channels' means that ``given`` explains."""
    about = wanted - wanted.mean((0, 2, 3), keepdim=True)
    return float(1 - ((given - wanted) ** 2).sum() / (about**2).sum())


def brain_float(module: nn.Module, x: Tensor) -> Tensor:
    """The module run in bfloat16 where that is safe, twice as fast on this kind of processor; float32 out."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y: Tensor = module(x)
    return y.float()


def set_rate(optimiser: torch.optim.Optimizer, peak: float, step: int, steps: int, *, warm: int) -> None:
    """Linear warm-up, then a cosine down to a hundredth of the peak."""
    rate = peak * min(1.0, (step + 1) / warm) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / steps)))
    for group in optimiser.param_groups:
        group["lr"] = rate
