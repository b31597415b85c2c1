"""Settings that every captioner takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from imagist.captioning.decoding import Decoding
from imagist.protocols import PartOptions


@dataclass(frozen=True)
class CaptionOptions(PartOptions):
    """The options that every captioner's loader takes.

    Attributes:
        decoding: How the next word is chosen.
        language: ISO 639-1 code of the sentences, such as ``de``; None is the captioner's own.
        settings: Of the captioner's kind alone, such as ``prompt``: keyword arguments of its loader, by name. Text is
            read as the type of the setting, so that a command line can hold them.
    """

    decoding: Decoding = field(default_factory=Decoding)
    language: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict, hash=False)
