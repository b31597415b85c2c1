"""Generation settings that others use for the same models, by name.

A preset is chosen behind the model's name, as in ``blip-base#standalone``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from imagist.captioning.decoding import Decoding
from imagist.errors import UnknownName


@dataclass(frozen=True)
class Preset:
    """How a program has a caption written.

    Attributes:
        beam: Hypotheses followed at a time; 1 is greedy.
        max_length: Most words, pieces of words as the model's tokenizer cuts them.
        shortest: Fewest.
        prompt: What the caption continues; not part of it.
        whole: Whether the lengths count the start and the prompt too, as ``max_length`` and ``min_length`` of
            transformers do; ``max_new_tokens`` does not.
    """

    beam: int
    max_length: int
    shortest: int = 1
    prompt: str = ""
    whole: bool = False

    def decoding(self, asked: Decoding, before: int) -> Decoding:
        """What was asked for, searched as the preset has it, ``before`` words being said already; no more than B best.

        The length power is 1, the ``length_penalty`` that transformers takes when none is given.
        """
        max_length = max(1, self.max_length - before if self.whole else self.max_length)
        nbest = min(asked.nbest, self.beam)
        return replace(asked, beam=self.beam, nbest=nbest, max_length=max_length, length_penalty=1.0, top_p=None)

    def fewest(self, before: int) -> int:
        """Fewest words of the caption itself."""
        return max(1, self.shortest - before if self.whole else self.shortest)


PRESETS: Mapping[str, Preset] = {
    # demo.ipynb and predict.py of salesforce/BLIP; the prompt is that of its models/blip.py
    "standalone": Preset(beam=3, max_length=20, shortest=5, prompt="an image of", whole=True),
    # clip-interrogator 0.6.0: generate(max_new_tokens=caption_max_length), all else as transformers has it
    "clip-interrogator": Preset(beam=1, max_length=32),
    # clip-interrogator 0.5.4, still over salesforce/BLIP: blip_num_beams, blip_max_length
    "clip-interrogator-0.5": Preset(beam=8, max_length=32, shortest=5, prompt="an image of", whole=True),
}


def named(model: str, short: Mapping[str, str]) -> tuple[str, Preset | None]:
    """A model as a user names it, ``MODEL`` or ``MODEL#PRESET``: its folder or name on the hub, and the preset.

    Args:
        model: The name; a folder of just this name is that folder.
        short: Short names of models on the hub.

    Raises:
        UnknownName: No such preset; the remedy lists those there are.
    """
    if Path(model).is_dir():
        return model, None
    name, _, preset = model.partition("#")
    if preset and preset not in PRESETS:
        raise UnknownName("no preset of that name", item=preset, remedy=f"one of {', '.join(PRESETS)}")
    return short.get(name, name), PRESETS.get(preset)
