"""Recipe: the embedded encoder, from random weights, by matching the feature maps of a teacher.

Two phases. *Units*: each of the 19 units learns, in turn, to give what the teacher's unit gives, fed by the student's
own units before it, so that it also mends their errors (blockwise distillation; Shen et al. 2021, "Progressive Network
Grafting for Few-Shot Knowledge Distillation"). *Tail*: the last five units, where meaning is, learn together to give
the teacher's last two maps and its verdict from what the first fourteen make of many varied views (Romero et al. 2015,
"FitNets"; Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent"). The first fourteen
hold nine tenths of the time that a step takes, so leaving them out buys ten times the views.

The teacher's weights are read, matched and left behind: nothing of them is copied into the student.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import Array, Halves
from imagist.training import checkpoint
from imagist.training.embedded.images import PhotoSet, normalised, views
from imagist.training.encoders.row_cache import RowCache, fill
from imagist.training.networks.mobilenet import Encoder, InvertedResidual, last_norm, teacher_units
from imagist.training.progress import Progress
from imagist.training.schedules import warmup_cosine

log = logging.getLogger("imagist.training")


@dataclass(frozen=True)
class DistilConfig:
    """Settings of the recipe.

    Attributes:
        seed: Of the weights, of the order of the images and of their views.
        unit_photos: Images that the units phase looks at.
        unit_steps: Steps a unit, by the side of its input in pixels.
        unit_rate: Peak learning rate of the units phase.
        steps: Steps of the tail phase.
        batch: Views a step of the tail phase.
        rate: Peak learning rate of the tail phase.
        shares: Chance that an image comes from each set, summing to 1.
        keep_every: Steps between checkpoints.
    """

    seed: int = 0
    unit_photos: int = 2000
    unit_steps: tuple[tuple[int, int], ...] = ((224, 1000), (112, 700), (56, 800), (28, 1000), (14, 1500), (7, 1500))
    unit_rate: float = 5e-3
    steps: int = 2000
    batch: int = 32
    rate: float = 2e-3
    shares: tuple[float, ...] = (0.5, 0.25, 0.25)
    keep_every: int = 250


CUT = 14  # units before the tail; their last map is 14 x 14 x 96


def teacher(weights: Path) -> nn.Module:
    """MobileNetV2 1.0 with the ImageNet weights at hand, for reading only (`timm`, padding as TensorFlow)."""
    model = timm.create_model("mobilenetv2_100", pretrained=False, num_classes=1000, pad_type="same")
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in load_file(weights).items()})
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def distil(
    sets: Sequence[PhotoSet],
    views_each: Sequence[int],
    judge: PhotoSet,
    weights: Path,
    folder: Path,
    config: DistilConfig,
) -> Encoder:
    """Trains the encoder, or goes on where ``folder`` says an earlier run stood.

    Args:
        sets: The training images, one set for each of ``config.shares``.
        views_each: Views of each image of a set.
        judge: Images of no training set, on which fidelity is reported.
        weights: The teacher's safetensors.
        folder: Receives ``encoder.pt`` and the checkpoints.
        config: Settings.

    Returns:
        The encoder, in eval mode.
    """
    torch.manual_seed(config.seed)
    student = Encoder().to(memory_format=torch.channels_last)
    finished = checkpoint.load(folder / "encoder.pt")
    if finished is None:
        model = teacher(weights)
        train_units(student, model, sets, folder, config)
        log.info("units  R2 %.3f  cosine of pooled %.3f", *fidelity(student, model, judge))
        seen = [see(p, number, student, model, folder) for p, number in zip(sets, views_each, strict=True)]
        train_tail(student, model, seen, folder, config)
        log.info("tail  R2 %.3f  cosine of pooled %.3f", *fidelity(student, model, judge))
        checkpoint.save(folder / "encoder.pt", {"weights": student.state_dict(), "config": str(asdict(config))})
    else:
        student.load_state_dict(finished["weights"])
    return student.eval()


# ---------------------------------------------------------------------------------------------------- units, in turn


def train_units(
    student: Encoder, model: nn.Module, sets: Sequence[PhotoSet], folder: Path, config: DistilConfig
) -> None:
    """The units phase; keeps a checkpoint after each unit."""
    kept = checkpoint.load(folder / "units.pt")
    if kept:
        student.load_state_dict(kept["weights"])
        if kept["done"] == len(student.units):
            return
    given = target = input_maps(sets, config)
    for number, (learner, example) in enumerate(zip(student.units, teacher_units(model), strict=True)):
        wanted = mapped(example, target)
        if kept is None or number >= kept["done"]:
            fidelity = train_unit(learner, given, wanted, np.random.default_rng((config.seed, number)), config)
            log.info("unit %d/%d  %s  R2 %.3f", number + 1, len(student.units), tuple(wanted.shape[1:]), fidelity)
            checkpoint.save(folder / "units.pt", {"weights": student.state_dict(), "done": number + 1})
        given, target = mapped(learner.eval(), given), wanted


def input_maps(sets: Sequence[PhotoSet], config: DistilConfig) -> Tensor:
    """A fixed, mixed sample of all sets, whole images: float16 ``[unit_photos, 3, 224, 224]``."""
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
        error = (bf16(unit, x) - learn_wanted[rows, :, *goal].float()) ** 2
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
    return torch.cat(
        [unit(m.float().contiguous(memory_format=torch.channels_last)).half() for m in torch.split(maps, 50)]
    )


# ------------------------------------------------------------------------------------------------------------ the tail


@dataclass(frozen=True, eq=False)
class Views:
    """Views of the images of one set, as the student's stem and as the teacher see them.

    Attributes:
        photos: The N images.
        stems: float16 ``[N, V, 96, 14, 14]``, what the student's first `CUT` units give.
        goals: float16 ``[N, V, 320, 7, 7]``, what the teacher gives before its last unit.
    """

    photos: PhotoSet
    stems: Halves
    goals: Halves


def see(photos: PhotoSet, number: int, student: Encoder, model: nn.Module, folder: Path) -> Views:
    """V = ``number`` views of each image, computed once; a killed run goes on where it stood."""
    before = nn.Sequential(*teacher_units(model)[:-1])
    shape = (len(photos), number, 320, 7, 7)
    goals = fill(maps_at("goals", photos, shape, folder), seen_by(before, photos, number), f"goals of {photos.name}")
    return Views(photos, stems_of(photos, number, student, folder), goals)


def grids(photos: PhotoSet, number: int, student: Encoder, folder: Path) -> Halves:
    """The trained student's last maps of V = ``number`` views of each image: float16 ``[N, V, 49, 1280]``."""
    tail = nn.Sequential(*student.units[CUT:]).eval()
    stems = stems_of(photos, number, student, folder)

    @torch.no_grad()
    def last(start: int, end: int) -> Array:
        x = torch.from_numpy(stems[start:end].astype(np.float32)).flatten(0, 1)
        y = bf16(tail, x.contiguous(memory_format=torch.channels_last))
        return y.flatten(2).transpose(1, 2).numpy()

    shape = (len(photos), number, 49, student.channels)
    return fill(maps_at("grids", photos, shape, folder), last, f"grids of {photos.name}")


def stems_of(photos: PhotoSet, number: int, student: Encoder, folder: Path) -> Halves:
    """What the student's first `CUT` units give for V = ``number`` views: float16 ``[N, V, 96, 14, 14]``."""
    stem = nn.Sequential(*student.units[:CUT]).eval()
    shape = (len(photos), number, 96, 14, 14)
    return fill(maps_at("stems", photos, shape, folder), seen_by(stem, photos, number), f"stems of {photos.name}")


def seen_by(network: nn.Module, photos: PhotoSet, number: int) -> Callable[[int, int], Array]:
    """What a network makes of the views of images ``start`` to ``end``, for `fill`."""

    @torch.no_grad()
    def compute(start: int, end: int) -> Array:
        return bf16(network, views(photos, start, end, number)).numpy()

    return compute


def maps_at(kind: str, photos: PhotoSet, shape: tuple[int, ...], folder: Path) -> RowCache:
    """Where the maps of one kind of a set are kept."""
    return RowCache(folder / f"{kind}-{photos.name.replace('/', '-')}.npy", shape)


def train_tail(student: Encoder, model: nn.Module, sets: Sequence[Views], folder: Path, config: DistilConfig) -> None:
    """The tail phase: the last units as one network; batches depend on the seed and the step alone."""
    tail, last = nn.Sequential(*student.units[CUT:]), teacher_units(model)[-1]
    optimiser = torch.optim.AdamW(tail.parameters(), lr=config.rate, weight_decay=1e-2, betas=(0.9, 0.99))
    average = torch.optim.swa_utils.AveragedModel(
        tail,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998),  # type: ignore[no-untyped-call]
        use_buffers=True,
    )
    kept = checkpoint.load(folder / "tail.pt")
    first = 0
    if kept:
        tail.load_state_dict(kept["weights"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        first = kept["step"]
    progress = Progress("tail", config.steps, first)
    for step in range(first, config.steps):
        set_rate(optimiser, config.rate, step, config.steps, warm=200)
        stems, goals = mixed_batch(sets, np.random.default_rng((config.seed, 1, step)), config)
        tail.train()
        loss = tail_loss(tail, last, model, stems, goals)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(tail.parameters(), 5.0)
        optimiser.step()
        average.update_parameters(tail)
        progress.step(config.batch, loss=float(loss.detach()), rate=optimiser.param_groups[0]["lr"])
        if (step + 1) % config.keep_every == 0 or step + 1 == config.steps:
            state = {"weights": tail.state_dict(), "average": average.state_dict(), "step": step + 1}
            checkpoint.save(folder / "tail.pt", {**state, "optimiser": optimiser.state_dict()})
    tail.load_state_dict(average.module.state_dict())


def mixed_batch(sets: Sequence[Views], rng: np.random.Generator, config: DistilConfig) -> tuple[Tensor, Tensor]:
    """Stems ``[batch, 96, 14, 14]`` and goals ``[batch, 320, 7, 7]``: views drawn from the sets by their shares."""
    pairs = []
    for number in rng.choice(len(sets), config.batch, p=config.shares):
        item = sets[number]
        photo, view = rng.integers(item.stems.shape[0]), rng.integers(item.stems.shape[1])
        pairs.append((item.stems[photo, view], item.goals[photo, view]))
    stems, goals = (torch.from_numpy(np.stack(maps).astype(np.float32)) for maps in zip(*pairs, strict=True))
    return stems.contiguous(memory_format=torch.channels_last), goals.contiguous(memory_format=torch.channels_last)


def tail_loss(tail: nn.Sequential, last: nn.Module, model: nn.Module, stems: Tensor, goals: Tensor) -> Tensor:
    """Squared errors of the last two maps in units of their variance, and the verdicts' divergence."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.no_grad():
            wanted = last(goals)
        before = tail[:-1](stems)
        given = tail[-1](before)
    loss = torch.zeros(())
    for weight, ours, theirs in ((0.5, before.float(), goals), (1.0, given.float(), wanted.float())):
        loss = loss + weight * F.mse_loss(ours, theirs) / theirs.var((0, 2, 3)).mean().clamp_min(1e-4)
    ours, theirs = (F.log_softmax(model.classifier(m.float().mean((2, 3))), -1) for m in (given, wanted))  # type: ignore[operator]
    return loss + 0.2 * F.kl_div(ours, theirs, reduction="batchmean", log_target=True)


@torch.no_grad()
def fidelity(student: Encoder, model: nn.Module, judge: PhotoSet) -> tuple[float, float]:
    """R2 of the last map and mean cosine of the pooled maps on images of no training set."""
    examples = nn.Sequential(*teacher_units(model))
    pairs = []
    student.eval()
    for start in range(0, len(judge), 50):
        x = normalised(judge.pixels[start : start + 50])
        pairs.append((bf16(student, x), bf16(examples, x)))
    given, wanted = (torch.cat(maps) for maps in zip(*pairs, strict=True))
    cosine = F.cosine_similarity(given.mean((2, 3)), wanted.mean((2, 3))).mean()
    return r_squared(given, wanted), float(cosine)


def r_squared(given: Tensor, wanted: Tensor) -> float:
    """Share of the variance of ``wanted`` about its channels' means that ``given`` explains."""
    about = wanted - wanted.mean((0, 2, 3), keepdim=True)
    return float(1 - ((given - wanted) ** 2).sum() / (about**2).sum())


def bf16(module: nn.Module, x: Tensor) -> Tensor:
    """The module run in bfloat16 where that is safe, twice as fast on this kind of processor; float32 out."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y: Tensor = module(x)
    return y.float()


def set_rate(optimiser: torch.optim.Optimizer, peak: float, step: int, steps: int, *, warm: int) -> None:
    """Gives the optimiser the rate of a step."""
    for group in optimiser.param_groups:
        group["lr"] = warmup_cosine(peak, step, steps, warmup_steps=warm)
