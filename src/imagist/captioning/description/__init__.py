"""Describes an image or a region of it in a few words, a sentence, a longer sentence or a paragraph."""

from __future__ import annotations

from imagist.captioning.description.describe import describe, describe_all
from imagist.captioning.description.record import Box, Description, Statement

__all__ = ["Box", "Description", "Statement", "describe", "describe_all"]
