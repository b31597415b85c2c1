"""Logit level: softmax(a log P_image + b log P_text), the logarithmic opinion pool (Genest and Zidek 1986).

Where the two classifiers err independently of each other, Bayes' rule is such a pool; where they err together, smaller
powers keep it from counting the same evidence twice.

Shapes: N items; C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from imagist.arrays import AnyArray, Array, Floats, log_probabilities, softmax
from imagist.bundle import open_part, write_part
from imagist.classifiers.calibration import check_targets
from imagist.classifiers.fusion.checks import check_shapes, log_likelihood
from imagist.errors import MissingExtra, UsageError
from imagist.protocols import PartOptions

KIND = "logit"


@dataclass(frozen=True)
class LogitFusion:
    """Product of the probabilities of both classifiers, each raised to a power; follows `imagist.protocols.Fusion`.

    Attributes:
        image: a, the power of the image classifier's probabilities, >= 0.
        text: b, that of the text classifier's, >= 0. With powers 1 and 0 the result is the image classifier's, bit for
            bit, with 0 and 1 the text classifier's; with 0 and 0 all classes are equally probable.

    Raises:
        UsageError: A power that is not a finite number >= 0.
    """

    image: float
    text: float
    labels = None
    concurrent = True

    def __post_init__(self) -> None:
        for power in (self.image, self.text):
            if not (isfinite(power) and power >= 0):
                raise UsageError(f"a power is a finite number >= 0, got {power}")

    @property
    def id(self) -> str:
        """The two powers."""
        return f"{KIND}({self.image:.6g},{self.text:.6g})"

    def save(self, folder: Path) -> None:
        """Writes the card."""
        write_part(folder, KIND, {"image": self.image, "text": self.text})

    @classmethod
    def weighted(cls, weight: float) -> LogitFusion:
        """The pool of powers 1 - w and w: the normalised geometric mean, at its ends the single classifiers.

        Raises:
            UsageError: A weight outside of 0..1.
        """
        if not 0 <= weight <= 1:
            raise UsageError(f"a fusion weight lies in 0..1, got {weight}", remedy="0 image only, 1 words only")
        return cls(1 - weight, weight)

    def fuse(self, image: Array, text: Array) -> Array:
        """float32 ``[N, C]`` from two of the same shape; rows sum to 1 (at the ends, to what the classifier's do).

        Raises:
            UsageError: The two have different shapes.
        """
        check_shapes(image, text)
        if (self.image, self.text) in ((1, 0), (0, 1)):
            return np.array(text if self.text else image, dtype=np.float32)
        return softmax(self.image * log_probabilities(image) + self.text * log_probabilities(text)).astype(np.float32)


def load(model: str, options: PartOptions) -> LogitFusion:
    """Loads a saved fusion, from its folder or a model; ``options.weight`` goes before the fitted powers.

    Raises:
        BundleError: The card cannot be understood.
    """
    folder = open_part(model, "fusion")
    if options.weight is not None:
        return LogitFusion.weighted(options.weight)
    return LogitFusion(float(folder.card["image"]), float(folder.card["text"]))


def fit_logits(image: Array, text: Array, targets: AnyArray, *, most: float = 20.0) -> LogitFusion:
    """The powers of greatest likelihood on held-out items; they calibrate too, so that no temperature is needed after.

    The loss is convex in both powers. Items on which a classifier makes no mistake move its power to the upper bound:
    they are too few to fit on.

    Args:
        image: ``[N, C]``, probabilities of the image classifier.
        text: ``[N, C]``, probabilities of the text classifier.
        targets: Integers ``[N]``, 0..C-1.
        most: Greatest power, > 0.

    Raises:
        UsageError: Shapes, targets or a bound that make no sense.
        MissingExtra: scipy is not installed.
    """
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise MissingExtra("fitting powers needs scipy", remedy="pip install 'imagist[study]'") from error
    t = np.asarray(targets)
    check_shapes(image, text)
    check_targets(image, t)
    if not most > 0:
        raise UsageError(f"the greatest power must be above 0, got {most}")
    logs = np.stack([log_probabilities(image), log_probabilities(text)])

    def loss(powers: Floats) -> tuple[float, Floats]:
        value, slope = log_likelihood(np.tensordot(powers, logs, 1), t)
        return value, (logs * slope).sum(axis=(1, 2))

    start, bounds = np.full(2, min(0.5, most)), [(0.0, most)] * 2
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9})
    return LogitFusion(float(best.x[0]), float(best.x[1]))
