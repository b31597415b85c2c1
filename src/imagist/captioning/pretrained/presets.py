"""Generation settings that other programs use for the same models, by name.

A preset follows the name of the model, as in ``blip-base#standalone``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from imagist.captioning.decoding import Decoding
from imagist.errors import UnknownName


@dataclass(frozen=True)
class Preset:
    """How a program generates a caption.

    Attributes:
        beam: Hypotheses followed at a time; 1 is greedy.
        max_length: Most tokens.
        min_length: Fewest tokens.
        prompt: What the caption continues; not part of it.
        counts_start: Whether the lengths count the start and the prompt too, as ``max_length`` and ``min_length`` of
            transformers do; ``max_new_tokens`` does not.
    """

    beam: int
    max_length: int
    min_length: int = 1
    prompt: str = ""
    counts_start: bool = False

    def decoding(self, asked: Decoding, start: int) -> Decoding:
        """The settings asked for, with the preset's search in place of theirs, and at most ``beam`` hypotheses.

        The length penalty is 1, the default of transformers.

        Args:
            asked: The settings asked for.
            start: How many tokens the start and the prompt have.
        """
        max_length = max(1, self.max_length - start if self.counts_start else self.max_length)
        nbest = min(asked.nbest, self.beam)
        return replace(asked, beam=self.beam, nbest=nbest, max_length=max_length, length_penalty=1.0, top_p=None)

    def min_new_tokens(self, start: int) -> int:
        """Fewest tokens of the caption itself, after ``start`` tokens of the start and the prompt."""
        return max(1, self.min_length - start if self.counts_start else self.min_length)


PRESETS: Mapping[str, Preset] = {
    # demo.ipynb and predict.py of salesforce/BLIP; the prompt is that of its models/blip.py
    "standalone": Preset(beam=3, max_length=20, min_length=5, prompt="a picture of", counts_start=True),
    # clip-interrogator 0.6.0: generate(max_new_tokens=caption_max_length), all else as transformers has it
    "clip-interrogator": Preset(beam=1, max_length=32),
    # clip-interrogator 0.5.4, still over salesforce/BLIP: blip_num_beams, blip_max_length
    "clip-interrogator-0.5": Preset(beam=8, max_length=32, min_length=5, prompt="a picture of", counts_start=True),
}


def parse_model(model: str, short: Mapping[str, str]) -> tuple[str, Preset | None]:
    """Splits ``MODEL`` or ``MODEL#PRESET`` into the folder or the name on the hub, and the preset.

    Args:
        model: What a user names; a folder of just this name is that folder.
        short: Short names of models on the hub.

    Raises:
        UnknownName: No such preset; the remedy lists the presets.
    """
    if Path(model).is_dir():
        return model, None
    name, _, preset = model.partition("#")
    if preset and preset not in PRESETS:
        raise UnknownName("no preset of that name", item=preset, remedy=f"one of {', '.join(PRESETS)}")
    return short.get(name, name), PRESETS.get(preset)
