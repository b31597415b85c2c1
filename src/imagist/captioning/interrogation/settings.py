"""What to look for in an image: the mode, and how many phrases of which kind."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from imagist.errors import SettingError

Mode = Literal["fast", "classic", "best", "negative", "tags"]
MODES: tuple[Mode, ...] = get_args(Mode)
MOST: dict[Mode, int] = {"fast": 32, "classic": 3, "best": 32, "negative": 32, "tags": 10}
"""The default of ``max_phrases``; of ``classic`` it counts the flavors alone."""


@dataclass(frozen=True)
class InterrogationSettings:
    """Settings of an interrogator.

    Attributes:
        mode: ``fast`` adds the phrases nearest to the image to the caption. ``classic`` adds the nearest medium,
            artist, site and movement, then the nearest flavors. ``best`` adds the phrase that brings the text nearest
            to the image, one after the other; of that text, those of the other two modes and the caption it takes the
            nearest. ``negative`` joins phrases that take the text farthest from the image, in the same way, without a
            caption. ``tags`` are the nearest phrases alone.
        max_phrases: Most phrases, >= 1; None is `MOST` of the mode.
        min_phrases: ``best`` and ``negative`` add so many, even those that bring the text no nearer, >= 0: what comes
            after them may. They are left out at the end where nothing did.
        candidates: Phrases that ``best`` and ``negative`` choose from, the nearest or the farthest, >= 1.
        diversity: A phrase is left out where its cosine with one before it is over ``1 - diversity``, 0..1; 0 is off.
        max_tokens: Most tokens of the text, by the matcher's own count; None is what the matcher reads.

    Raises:
        SettingError: A setting is out of its range.
    """

    mode: Mode = "fast"
    max_phrases: int | None = None
    min_phrases: int = 8
    candidates: int = 2048
    diversity: float = 0.0
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise SettingError("no such mode", item=str(self.mode), remedy=f"one of {', '.join(MODES)}")
        for name, least in (("max_phrases", 1), ("min_phrases", 0), ("candidates", 1), ("max_tokens", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SettingError(f"must be at least {least}, not {value}", item=name)
        if not 0 <= self.diversity <= 1:
            raise SettingError(f"lies in 0..1, not {self.diversity}", item="diversity")

    @property
    def most(self) -> int:
        """The most phrases."""
        return MOST[self.mode] if self.max_phrases is None else self.max_phrases

    @property
    def begins_with_caption(self) -> bool:
        """Whether the text begins with a caption."""
        return self.mode not in ("negative", "tags")

    def on_card(self) -> dict[str, Any]:
        """The settings as a card holds them: those that are not the default, and the mode."""
        default = asdict(InterrogationSettings())
        return {name: value for name, value in asdict(self).items() if name == "mode" or value != default[name]}

    def __str__(self) -> str:
        """The part of an interrogator's id."""
        return ",".join(
            f"{each.name}={value}" for each in fields(self) if (value := getattr(self, each.name)) is not None
        )
