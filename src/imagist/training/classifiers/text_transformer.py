"""Fine-tunes `imagist.classifiers.text.transformer`, or its last layer alone, on labelled texts.

Shapes: N texts; C classes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import AnyArray, Ints
from imagist.classifiers.text.transformer import Network, Reading, TransformerClassifier, begin
from imagist.metrics.classes import accuracy, negative_log_likelihood
from imagist.records import LabelSet
from imagist.settings import PartialShare
from imagist.training.classifiers.history import Fitted
from imagist.training.classifiers.text_run import Groups, WordsRun
from imagist.training.devices import device_of
from imagist.training.progress import Progress

POOL = 16  # batches whose texts are sorted by length at a time
KEEP = 200  # steps between checkpoints

Examples = tuple[Sequence[str], AnyArray]


@dataclass(frozen=True)
class Transformer:
    """A BERT-family encoder with a linear layer, trained by AdamW with a linear warm-up and decay.

    Attributes:
        kind: Tells this table from those of other classifiers.
        model: A name on the Hugging Face hub, a folder, or ``package:NAME/FOLDER``.
        reading: How texts become vectors.
        freeze: Train the last layer alone; each text then passes the encoder once.
        epochs: Most passes over train.
        patience: Epochs without a better dev accuracy (equal ones: loss) after which it ends, with the best weights;
            0, or no dev, goes through all epochs and keeps the last ones.
        batch_size: Texts a step, over all processes.
        learning_rate: Peak learning rate of the encoder.
        head_learning_rate: Of the last layer, which begins from nothing.
        warmup_share: Share of the steps in which the rates rise; they fall to 0 in the others.
        weight_decay: Weight decay, of matrices alone.
        dropout: Before the last layer.
        clip: Longest gradient.
        bf16: Multiply in bfloat16.
        device: ``auto``, or as torch names it.
    """

    kind: Literal["transformer"] = "transformer"
    model: str = "bert-base-uncased"
    reading: Reading = field(default_factory=Reading)
    freeze: bool = False
    epochs: PositiveInt = 20
    patience: NonNegativeInt = 4
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 5e-5
    head_learning_rate: PositiveFloat = 2e-3
    warmup_share: PartialShare = 0.1
    weight_decay: NonNegativeFloat = 0.01
    dropout: PartialShare = 0.1
    clip: PositiveFloat = 1.0
    bf16: bool = False
    device: str = "auto"


@dataclass(frozen=True, eq=False)
class _Material:
    """The module that is trained, its inputs for some rows, and the length of each row, ``[N]``."""

    module: nn.Module
    given: Callable[[list[int]], Any]
    lengths: Ints
    targets: Tensor


def fit_transformer(
    settings: Transformer, train: Examples, labels: LabelSet, dev: Examples | None, seed: int, folder: Path | None
) -> Fitted[TransformerClassifier]:
    """Fits the classifier, or resumes a killed run from ``folder``.

    Args:
        settings: Of it.
        train: Texts and their classes ``[N]``.
        labels: The C names.
        dev: What decides when to stop, and which epoch to keep.
        seed: Of the last layer's first weights, the order of the texts and the dropout.
        folder: Receives the checkpoint ``words.pt``.

    Raises:
        ImagistError: As `imagist.classifiers.text.transformer.begin`.
        DataError: The checkpoint there is of other data or settings.
    """
    accelerator = Accelerator(cpu=device_of(settings.device).type == "cpu")
    classifier = begin(
        settings.model, labels, settings.reading, device=str(accelerator.device), dropout=settings.dropout
    )
    torch.manual_seed(seed)
    nn.init.normal_(classifier.network.layer.weight, std=0.02)
    nn.init.zeros_(classifier.network.layer.bias)
    material = _material(settings, classifier, train)
    run = WordsRun(
        material.module, _groups(settings, classifier.network), clip=settings.clip,
        path=folder / "words.pt" if folder else None,
        key=_key(settings, train, labels, dev, seed), accelerator=accelerator,
    )  # fmt: skip
    if not run.done:
        _learn(settings, material, run, classifier, dev, seed, accelerator)
        run.finish(best=bool(settings.patience and dev))
    classifier.network.eval()
    return Fitted(classifier, tuple(run.history))


def _learn(
    settings: Transformer, material: _Material, run: WordsRun, classifier: TransformerClassifier,
    dev: Examples | None, seed: int, accelerator: Accelerator,
) -> None:  # fmt: skip
    epoch = math.ceil(len(material.lengths) / settings.batch_size)
    steps = settings.epochs * epoch
    progress, evaluate = Progress("words", steps, run.step), _evaluator(settings, classifier, dev)
    for number in range(run.step // epoch, settings.epochs):
        if settings.patience and run.worse >= settings.patience:
            break
        for rows in batches(material.lengths, settings.batch_size, seed, number)[run.step % epoch :]:
            # of the dropout: a resumed run equals an unbroken one, and each process draws its own
            torch.manual_seed((seed * 1_000_003 + run.step) * accelerator.num_processes + accelerator.process_index)
            material.module.train()
            losses, right, texts = _losses(settings, material, run.wrapped, rows, accelerator)
            run.learn(losses, right, texts, share_at(run.step, steps, settings.warmup_share))
            progress.step(len(rows), loss=float(losses.detach()) / max(1, texts))
            if run.step % KEEP == 0 and run.step % epoch:
                run.keep()
        run.close_epoch(evaluate())
        run.keep()


def _losses(
    settings: Transformer, material: _Material, wrapped: nn.Module, rows: list[int], accelerator: Accelerator
) -> tuple[Tensor, int, int]:
    """The sum of this process's losses, how many of its texts are right, how many it has."""
    own = rows[accelerator.process_index :: accelerator.num_processes]
    some = own or rows[:1]  # every process takes part in every step, one without a text with a weight of 0
    with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=settings.bf16):
        logits = wrapped(material.given(some)).float()
    goal = material.targets[some].to(logits.device)
    right = int((logits.argmax(1) == goal).sum()) if own else 0
    return F.cross_entropy(logits, goal, reduction="sum") * bool(own), right, len(own)


def _evaluator(
    settings: Transformer, classifier: TransformerClassifier, dev: Examples | None
) -> Callable[[], tuple[float, float] | None]:
    """Gives what dev thinks of the weights as they then are; a frozen encoder reads dev once."""
    if dev is None:
        return lambda: None
    layer, (texts, targets) = classifier.network.layer, dev
    vectors = torch.from_numpy(classifier.hidden(texts)).to(layer.weight.device) if settings.freeze else None

    def evaluate() -> tuple[float, float]:
        classifier.network.eval()
        if vectors is None:
            scores = classifier.scores(texts)
        else:
            with torch.inference_mode():
                scores = torch.softmax(layer(vectors).float(), -1).cpu().numpy()
        return accuracy(scores, targets), negative_log_likelihood(scores, targets)

    return evaluate


def _material(settings: Transformer, classifier: TransformerClassifier, train: Examples) -> _Material:
    network, targets = classifier.network, torch.from_numpy(train[1].astype(np.int64))
    if settings.freeze:
        network.encoder.requires_grad_(False)
        features = torch.from_numpy(classifier.hidden(train[0])).to(network.layer.weight.device)
        return _Material(network.head, lambda rows: features[rows], np.zeros(len(features), np.int64), targets)
    cut = classifier.cut(train[0])
    lengths = np.array([len(one["input_ids"]) for one in cut])
    return _Material(network, lambda rows: classifier.padded([cut[i] for i in rows]), lengths, targets)


def _groups(settings: Transformer, network: Network) -> Groups:
    """Matrices decay, biases and scales do not; the last layer has a rate of its own."""
    parts = [(settings.head_learning_rate, network.head), (settings.learning_rate, network.encoder)]
    return [
        {"params": chosen, "rate": rate, "weight_decay": decay}
        for rate, part in parts
        for matrices, decay in ((True, settings.weight_decay), (False, 0.0))
        if (chosen := [p for p in part.parameters() if p.requires_grad and (p.ndim > 1) == matrices])
    ]


def share_at(step: int, steps: int, warmup_share: float) -> float:
    """Of the peak rate: up to 1 in a share of the steps, then in a line towards 0 after the last (Devlin et al. 2019).

    Args:
        step: Steps already made.
        steps: Of the whole run.
        warmup_share: Share of them, 0 to 1.
    """
    rising = max(1, round(warmup_share * steps))
    return min((step + 1) / rising, (steps - step) / max(1, steps - rising + 1))


def batches(lengths: Ints, size: int, seed: int, epoch: int) -> list[list[int]]:
    """The rows of an epoch's batches: shuffled, but such that those of a batch are of about the same length.

    Args:
        lengths: Of the texts, in tokens ``[N]``.
        size: Texts a batch.
        seed: Of the order.
        epoch: Another one has another order.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths))
    pools = (order[begin : begin + size * POOL] for begin in range(0, len(order), size * POOL))
    sorted_pools = [pool[np.argsort(lengths[pool], kind="stable")] for pool in pools]
    made = [pool[begin : begin + size].tolist() for pool in sorted_pools for begin in range(0, len(pool), size)]
    return [made[i] for i in rng.permutation(len(made))]


def _key(settings: Transformer, train: Examples, labels: LabelSet, dev: Examples | None, seed: int) -> str:
    """A digest of all that decides the weights."""
    sets = [(list(texts), np.asarray(targets).tolist()) for texts, targets in ([train, dev] if dev else [train])]
    settings_text = repr((replace(settings, device=""), labels, seed, sets))
    return hashlib.sha256(settings_text.encode("utf-8", "surrogatepass")).hexdigest()
