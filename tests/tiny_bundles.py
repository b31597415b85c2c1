"""Model folders of the captioners that are trained here, with random weights, written as trained ones are.

Their logits are spread out, so that hypotheses differ and many sentences end before they must.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch
from torch import Tensor, nn

import tiny_checkpoints
from imagist.captioning.decoding import Decoding
from imagist.training.captioners.gpt2 import BpeVocabulary, small_gpt2
from imagist.training.captioners.vocabulary import SPECIAL, WordVocabulary
from imagist.training.export.bundle import Parts, export_bundle
from imagist.training.networks.build import build
from imagist.training.networks.prefix import PrefixDecoder

SIDE, CELLS, CHANNELS, LONGEST = 24, 9, 12, 20
WORDS = (*SPECIAL, "<de>", *tiny_checkpoints.WORDS)
_RECURRENT = {"hidden_size": 16, "embedding_size": 12}
_SMALL_GPT2 = {"width": 24, "layers": 2, "heads": 3, "positions": 30}
DECODERS = {
    "attention-sat": {"kind": "attention", "preset": "sat", **_RECURRENT, "attention_size": 8},
    "attention-tutorial": {
        "kind": "attention",
        "preset": "tutorial",
        **_RECURRENT,
        "attention_size": 8,
        "value_size": 24,
    },
    "transformer": {"kind": "transformer", "width": 24, "layers": 2, "heads": 3},
    "naming": {"kind": "naming", "width": 24, "layers": 2, "heads": 3, "classes": 11, "recognised": 4},
    "lstm-inject": {"kind": "lstm", "preset": "inject", **_RECURRENT},
    "lstm-merge": {"kind": "lstm", "preset": "merge", **_RECURRENT},
    "prefix-gpt2": {"kind": "prefix-gpt2", "prefix_length": 4, "language_model": _SMALL_GPT2},
}
NAMES = (*DECODERS, "prefix-gpt2-bpe")


class Eye(nn.Module):
    """uint8 ``[N, 24, 24, 3]`` to nine cells of twelve channels."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, CHANNELS, 8, 8)

    def forward(self, pixels: Tensor) -> Tensor:
        seen: Tensor = self.patches(pixels.permute(0, 3, 1, 2).float() / 255)
        return seen.flatten(2).transpose(1, 2)


def parts(name: str) -> Parts:
    """Networks and words of one of `NAMES`; words are in English and German, BPE tokens in English only."""
    torch.manual_seed(1)
    if name == "prefix-gpt2-bpe":
        tokenizer = tiny_checkpoints.opt_tokenizer()
        start, end = tokenizer.convert_tokens_to_ids(["</s>", "Ċ"])
        words = BpeVocabulary(tokenizer, len(tokenizer), start=start, end=end)
        kind, decoder = "prefix-gpt2", PrefixDecoder(
            small_gpt2(len(words.lines), **_SMALL_GPT2), CHANNELS, cells=CELLS, prefix_length=4, starts=[start],
            end=end, max_length=LONGEST,
        )  # fmt: skip
    else:
        kind, words = DECODERS[name]["kind"], WordVocabulary(WORDS, ("en", "de"))
        decoder = build(DECODERS[name], words=len(WORDS), channels=CHANNELS, cells=CELLS, max_length=LONGEST)
    encoder = Eye()
    for part in (encoder, decoder):
        for place, parameter in part.named_parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.7)
            elif place == "mapped_norm.weight":  # begins at the scale of words, which is another now
                nn.init.ones_(parameter)
    with torch.no_grad():
        if isinstance(decoder, PrefixDecoder):
            decoder.language_model.transformer.wte.weight[words.end] *= 2
        else:
            decoder.bias[words.end] = 5.0 if "tutorial" in name else 2.0
    return Parts(name, "says nothing", kind, encoder.eval(), SIDE, decoder.eval(), words, Decoding(max_length=LONGEST))


def write(folder, name):
    """Writes the bundle of one of `NAMES`, exported once in a run; returns the folder."""
    kept = Path(os.environ["IMAGIST_TINY_BUNDLES"]) / name
    if not kept.is_dir():
        export_bundle(parts(name), kept)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(kept, folder)
    return folder
