"""What classifiers say in one trial: fitted without each inner fold in turn, asked of that fold and of the test rows.

Shapes: H held-out rows of all fits, h of one; M test rows, and behind them U spare ones; C classes; E width of hidden
states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from imagist.arrays import Array
from imagist.study.store import Arrays, Store, digest_of
from imagist.training.classifiers.history import Epoch

Fit = Callable[[int], Arrays]


@dataclass(frozen=True, eq=False)
class Said:
    """What one fit says.

    Attributes:
        held: float32 ``[h, C]``, of the rows that were held out of it.
        test: float32 ``[M + U, C]``.
        held_hidden: float32 ``[h, E]``.
        test_hidden: float32 ``[M + U, E]``.
        history: Of its fitting.
    """

    held: Array
    test: Array
    held_hidden: Array
    test_hidden: Array
    history: tuple[Epoch, ...]

    @cached_property
    def digest(self) -> str:
        """Names its hidden states, for the store."""
        return digest_of(self.held_hidden, self.test_hidden)


@dataclass(frozen=True, eq=False)
class Opinion:
    """What a classifier says in one trial.

    Attributes:
        fits: One for each inner fold that was held out.
    """

    fits: tuple[Said, ...]

    @cached_property
    def held(self) -> Array:
        """float32 ``[H, C]``, each row by the fit that did not see it."""
        return np.concatenate([each.held for each in self.fits])

    @cached_property
    def test(self) -> Array:
        """float32 ``[M + U, C]``, the mean of the fits."""
        return np.asarray(np.mean([each.test for each in self.fits], axis=0), np.float32)

    @cached_property
    def digest(self) -> str:
        """Names what it says, for the store."""
        return digest_of(self.held, self.test)


def opinion(store: Store, keys: Sequence[str], fit: Fit, done: Callable[[bool], None]) -> Opinion:
    """The opinion of a classifier, each fit from the store where it is there.

    Args:
        store: Of what was computed.
        keys: One for each fit.
        fit: From the number of an inner fold to what `arrays` gives.
        done: Called after each fit; True where it was not in the store.
    """
    said = []
    for number, key in enumerate(keys):
        new = not store.holds(key)
        said.append(_said(store.of(key, partial(fit, number))))
        done(new)
    return Opinion(tuple(said))


def arrays(
    scores: tuple[Array, Array], hidden: tuple[Array, Array], history: Sequence[Epoch] = ()
) -> dict[str, np.ndarray]:
    """A fit's words as they are stored: held-out and test scores, hidden states in halves, epochs."""
    epochs = [(e.number, e.loss, e.train_accuracy, _number(e.dev_accuracy), _number(e.dev_loss)) for e in history]
    return {
        "held": scores[0], "test": scores[1],
        "held_hidden": hidden[0].astype(np.float16), "test_hidden": hidden[1].astype(np.float16),
        "history": np.array(epochs, np.float64).reshape(-1, 5),
    }  # fmt: skip


def _said(found: Arrays) -> Said:
    history = tuple(
        Epoch(int(n), float(loss), float(seen), *(None if np.isnan(x) else float(x) for x in dev))
        for n, loss, seen, *dev in found["history"]
    )
    held, test = (found[name].astype(np.float32) for name in ("held_hidden", "test_hidden"))
    return Said(found["held"], found["test"], held, test, history)


def _number(value: float | None) -> float:
    return np.nan if value is None else value
