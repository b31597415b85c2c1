"""Tokens for images, by the public `generate` of transformers: beam search, greedy search, nucleus sampling.

Shapes: N images; B hypotheses of each; P tokens before a caption; T tokens of the longest caption; V tokens of the
vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imagist.arrays import Ints
from imagist.bundle.checkpoints import Checkpoint
from imagist.captioning.decoding import Decoding
from imagist.records import Photo

ROWS = 64  # hypotheses generated at a time: generate keeps the scores of every step, T x ROWS x V floats

Inputs = Mapping[str, Tensor]
"""What ``generate`` reads of some images, by name: ``input_ids``, ``attention_mask``, ``pixel_values`` and more."""


@dataclass(frozen=True)
class Start:
    """What a model reads before it writes a caption.

    Attributes:
        input_ids: The P tokens that the model's own ``generate`` takes.
        returned: How many tokens ``generate`` returns before those of the caption; None for as many as it was given.
        length: How many tokens before the caption the decoder counts: the start and the prompt.
        ends: Each of these tokens ends a caption.
        vocab_size: V.
        positions: Most tokens of the start, the prompt and the caption together; None where there is no bound.
        settings: What else this model's ``generate`` takes.
        read: What the model reads of some photos, where its tokens depend on them; None reads ``input_ids`` and the
            pixels of the image processor.
    """

    input_ids: Sequence[int]
    returned: int | None
    length: int
    ends: Sequence[int]
    vocab_size: int
    positions: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    read: Callable[[Sequence[Photo]], Inputs] | None = None


@dataclass(frozen=True, eq=False)
class Generated:
    """One hypothesis.

    Attributes:
        tokens: int64 ``[T]``, without the end.
        logprob: Sum of the natural log-probabilities of the tokens and of the end, where there is one.
        rank: ``logprob / length ** length_penalty``, the end counted, as transformers ranks.
    """

    tokens: Ints
    logprob: float
    rank: float


class Generator:
    """Generates hypotheses with fixed settings; an image's hypotheses never depend on the other images.

    Args:
        checkpoint: The model.
        start: What it reads first.
        decoding: How to choose tokens. All B hypotheses are returned.
        min_length: Fewest tokens of a caption, >= 1.
        early_stopping: Whether an image is done once B hypotheses have ended. Otherwise the search goes on while
            transformers expects a better one.
    """

    def __init__(
        self, checkpoint: Checkpoint, start: Start, decoding: Decoding, *, min_length: int = 1, early_stopping: bool
    ) -> None:
        self._model, self._start, self._decoding = checkpoint.model, start, decoding
        self._sample = decoding.top_p is not None
        search: dict[str, Any] = {"do_sample": False, "num_beams": decoding.beam}
        if self._sample:
            search = {"do_sample": True, "num_beams": 1, "top_k": 0}
            search |= {"top_p": decoding.top_p, "temperature": decoding.temperature}
        elif decoding.beam > 1:
            search |= {"length_penalty": decoding.length_penalty, "early_stopping": early_stopping}
        self._beams = search["num_beams"] > 1
        self._settings = start.settings | search | {
            "num_return_sequences": decoding.beam,
            "max_new_tokens": decoding.max_length,
            "min_new_tokens": min_length,
            "no_repeat_ngram_size": decoding.no_repeat_ngram_size,
            "suppress_tokens": _unwritable(checkpoint.tokenizer, start),
            "return_dict_in_generate": True,
            "output_scores": self._beams,
            "output_logits": not self._beams,
        }  # fmt: skip

    def generate(self, pixels: Tensor, seeds: Sequence[int]) -> list[list[Generated]]:
        """The hypotheses of each image, best rank first: 1 to B.

        Args:
            pixels: Float ``[N, 3, H, W]``, on the model's device.
            seeds: For each image the number that, with the seed of the settings, decides what is drawn.
        """

        def read(part: slice) -> Inputs:
            some = pixels[part]
            input_ids = torch.tensor([[*self._start.input_ids]], device=some.device).repeat(len(some), 1)
            return {"pixel_values": some, "input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}

        return self.generate_from(read, seeds)

    @torch.inference_mode()
    def generate_from(self, read: Callable[[slice], Inputs], seeds: Sequence[int]) -> list[list[Generated]]:
        """The hypotheses of each image, best rank first: 1 to B.

        Args:
            read: What the model reads of the images in a slice, on its device.
            seeds: For each image the number that, with the seed of the settings, decides what is drawn.
        """
        if not self._sample:
            at_once = max(1, ROWS // self._decoding.beam)
            parts = [slice(first, first + at_once) for first in range(0, len(seeds), at_once)]
            return [found for part in parts for found in self._batch(read(part))]
        found = []
        for number, seed in enumerate(seeds):
            with _seeded((self._decoding.seed, seed), self._model.device):
                found += self._batch(read(slice(number, number + 1)))
        return found

    def _batch(self, inputs: Inputs) -> list[list[Generated]]:
        out = self._model.generate(**inputs, **self._settings)
        given = inputs["input_ids"].shape[1] if self._start.returned is None else self._start.returned
        tokens = out.sequences[:, given:]
        lengths = (torch.isin(tokens, tokens.new_tensor(self._start.ends)).cumsum(1) == 0).sum(1)
        steps = (lengths + 1).clamp(max=tokens.shape[1])  # with the end, where there is one
        penalty = steps**self._decoding.length_penalty
        logprobs = out.sequences_scores * penalty if self._beams else _logprobs(out.logits, tokens, steps)
        columns = (tokens.cpu().numpy(), lengths.tolist(), logprobs.tolist(), (logprobs / penalty).tolist())
        each = [Generated(row[:length], logprob, rank) for row, length, logprob, rank in zip(*columns, strict=True)]
        beam = self._decoding.beam
        return [_ranked(each[first : first + beam]) for first in range(0, len(each), beam)]


def _ranked(hypotheses: list[Generated]) -> list[Generated]:
    """Best first, without the places that no hypothesis filled, which have a log-probability of about -1e9."""
    return sorted((one for one in hypotheses if one.logprob > -1e8), key=lambda one: -one.rank)


def _logprobs(logits: Sequence[Tensor], tokens: Tensor, steps: Tensor) -> Tensor:
    """Of each row of ``[R, T]``, the sum over its first steps ``[R]``; logits: T times ``[R, V]``."""
    each = torch.stack([*logits], 1).log_softmax(-1).gather(2, tokens[..., None])[..., 0]
    return each.where(torch.arange(each.shape[1], device=each.device) < steps[:, None], 0).sum(1)


def token_ids(value: int | Sequence[int]) -> list[int]:
    """One token or several, as a configuration names them, as a list."""
    return [value] if isinstance(value, int) else [*value]


def _unwritable(tokenizer: Any, start: Start) -> list[int]:
    """Special tokens and those of other tasks, such as ``<loc0001>``, but for the ends; and those past the last."""
    past = range(len(tokenizer), start.vocab_size)
    added = (token for text, token in tokenizer.get_added_vocab().items() if text[:1] == "<" and text[-1:] == ">")
    special = (token for token in (*tokenizer.all_special_ids, *added) if token < start.vocab_size)
    return sorted({*special, *past} - {*start.ends})


@contextmanager
def _seeded(entropy: tuple[int, int], device: torch.device) -> Iterator[None]:
    """Seeds what torch draws; afterwards its state is as before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))
        yield
