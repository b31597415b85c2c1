"""Settings that every captioner takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagist.captioning.decoding import Decoding
from imagist.protocols import PartOptions


@dataclass(frozen=True)
class CaptionOptions(PartOptions):
    """The options that every captioner's loader takes.

    Attributes:
        decoding: How the next word is chosen.
        language: ISO 639-1 code of the sentences, such as ``de``; None is the captioner's own.
    """

    decoding: Decoding = field(default_factory=Decoding)
    language: str | None = None
