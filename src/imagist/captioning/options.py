"""What a user may ask of any captioner, whatever it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagist.captioning.decoding import Decoding


@dataclass(frozen=True)
class CaptionOptions:
    """The settings that every captioner's factory takes.

    Attributes:
        decoding: How the next word is chosen.
        views: How a photo is made square: ``square``, ``letterbox`` or ``crops``.
        language: ISO 639-1 code of the sentences, such as ``de``; None is the captioner's own.
        device: Where a torch model runs: ``cpu``, ``cuda``, ``mps``.
        threads: Processor threads within one run of a network, >= 1.
    """

    decoding: Decoding = field(default_factory=Decoding)
    views: str = "square"
    language: str | None = None
    device: str = "cpu"
    threads: int = 1
