"""Fuses the image classifier and the text classifier: by scores, by logits, by stacking, by features."""

from imagist.classifiers.fusion.calibrated import Calibrated, calibrate
from imagist.classifiers.fusion.features import FeatureFusion, FeedForward
from imagist.classifiers.fusion.logits import LogitFusion, fit_logits
from imagist.classifiers.fusion.scores import FittedWeight, Objective, ScoreFusion, fit_weight
from imagist.classifiers.fusion.stacking import PENALTIES, StackedFusion, fit_stacking

__all__ = [
    "PENALTIES",
    "Calibrated",
    "FeatureFusion",
    "FeedForward",
    "FittedWeight",
    "LogitFusion",
    "Objective",
    "ScoreFusion",
    "StackedFusion",
    "calibrate",
    "fit_logits",
    "fit_stacking",
    "fit_weight",
]
