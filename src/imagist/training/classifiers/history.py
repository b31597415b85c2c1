"""What a fitted classifier comes with: the figures of each epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T", covariant=True)


@dataclass(frozen=True)
class Epoch:
    """One pass over the training examples.

    Attributes:
        number: From 1.
        loss: Mean training loss of the pass, in nats.
        train_accuracy: Share of its examples that were right when they were trained on, 0 to 1.
        dev_accuracy: Share of dev that is right after the pass; None without dev.
        dev_loss: Mean negative log-likelihood of dev after the pass, in nats; None without dev.
    """

    number: int
    loss: float
    train_accuracy: float
    dev_accuracy: float | None
    dev_loss: float | None


@dataclass(frozen=True, eq=False)
class Fitted(Generic[T]):
    """A classifier with how it came about.

    Attributes:
        classifier: Ready to run.
        history: Its epochs in order; empty where it was not fitted in epochs.
    """

    classifier: T
    history: tuple[Epoch, ...] = ()
