"""Interrogation: a caption, and the phrases of tables that fit the image by image-text similarity."""

from imagist.captioning.interrogation.interrogator import Interrogator
from imagist.captioning.interrogation.record import Interrogation
from imagist.captioning.interrogation.settings import MODES, InterrogationSettings, Mode

__all__ = ["MODES", "Interrogation", "InterrogationSettings", "Interrogator", "Mode"]
