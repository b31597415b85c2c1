"""The figures of a fitted model, with intervals.

Shapes: N examples; C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from imagist.arrays import Array, Ints
from imagist.metrics.classes import confusion_matrix, correct, expected_calibration_error, negative_log_likelihood
from imagist.metrics.significance import Interval, wilson_interval
from imagist.records import LabelSet

FEW = 100  # images below which a figure says little


@dataclass(frozen=True, eq=False)
class Measured:
    """Figures on N images that the classifiers were not fitted to.

    Attributes:
        images: N.
        accuracy: Of ``image``, ``text`` and ``fused``, with 95% Wilson intervals.
        calibration_error: Expected calibration error of the fused, 0..1.
        loss: Mean negative log-likelihood of the fused, in nats.
        confusion: Counts, ``[C, C]``: rows are the true classes.
        labels: The C names.
    """

    images: int
    accuracy: Mapping[str, Interval]
    calibration_error: float
    loss: float
    confusion: Ints
    labels: LabelSet

    def as_table(self, test: str | None) -> dict[str, Any]:
        """The figures as they stand on the model's card.

        Args:
            test: The split that they are of; None means cross-validation.
        """
        intervals = {
            name: {"value": round(each.value, 4), "low": round(each.low, 4), "high": round(each.high, 4)}
            for name, each in self.accuracy.items()
        }
        how = "cross-validation" if test is None else f"split {test}"
        figures = {"on": how, "images": self.images, "ece": round(self.calibration_error, 4)}
        return figures | {"loss": round(self.loss, 4), "accuracy": intervals}


def measure(image: Array, text: Array, fused: Array, targets: Ints, labels: LabelSet) -> Measured:
    """Figures of calibrated probabilities ``[N, C]`` against targets ``[N]``."""
    scores = {"image": image, "text": text, "fused": fused}
    hits = {name: int(correct(each, targets).sum()) for name, each in scores.items()}
    return Measured(
        images=len(targets),
        accuracy={name: wilson_interval(number, len(targets)) for name, number in hits.items()},
        calibration_error=expected_calibration_error(fused, targets),
        loss=negative_log_likelihood(fused, targets),
        confusion=confusion_matrix(np.asarray(fused.argmax(1)), targets, len(labels)),
        labels=labels,
    )
