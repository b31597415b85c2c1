"""Evolving captions: a photo, or a part that one points at, in a few words, a sentence, a longer one or a paragraph."""

from __future__ import annotations

from imagist.captioning.description.describe import describe, describe_all
from imagist.captioning.description.record import Box, Description, Said

__all__ = ["Box", "Description", "Said", "describe", "describe_all"]
