"""Frozen records that flow between the floors, and the one flat form in which results are written."""

from imagist.records.inputs import Failure, Photo, Row
from imagist.records.results import Caption, Hypothesis, LabelSet, Phrase, Prediction, Recognised

__all__ = ["Caption", "Failure", "Hypothesis", "LabelSet", "Photo", "Phrase", "Prediction", "Recognised", "Row"]
