"""What both training phases of a captioner share: data, vocabulary, evaluation, devices, seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from imagist.training.captioners.corpus import Corpus, sample_batch
from imagist.training.captioners.evaluator import CaptionEvaluator
from imagist.training.captioners.rewards import Judged
from imagist.training.captioners.texts import Texts
from imagist.training.captioners.vocabulary import Vocabulary

LogMetrics = Callable[[str, int, dict[str, float]], None]
"""Takes the name of a phase, the step, and its metrics."""


def ignore_metrics(phase: str, step: int, metrics: dict[str, float]) -> None:
    """Does nothing."""


@dataclass(frozen=True)
class TrainingContext:
    """Data, evaluation and devices of one captioner's training.

    Attributes:
        corpora: The training sets; an epoch is one pass over the first, which has captions.
        vocabulary: Of the model.
        max_length: Captions are cut to this number of words.
        evaluator: Evaluates the model on dev.
        folder: Receives checkpoints.
        accelerator: Joins processes and devices.
        corpus_shares: Images of each corpus in a batch, relative to the first; 1 for the first.
        texts: Sentences without images, if any.
        text_share: Sentences in a batch, relative to the images of the first corpus.
        judged: Images without references whose captions phase 2 judges, if any.
        seed: Seed of all random numbers.
        encoder_rate: The encoder's learning rate, as a multiple of the decoder's.
        bf16: Compute matrix products in bfloat16.
        log_metrics: Receives the metrics of the training, for curves.
    """

    corpora: Sequence[Corpus]
    vocabulary: Vocabulary
    max_length: int
    evaluator: CaptionEvaluator
    folder: Path
    accelerator: Accelerator
    corpus_shares: Sequence[float] = (1.0,)
    texts: Texts | None = None
    text_share: float = 1.0
    judged: Judged | None = None
    seed: int = 0
    encoder_rate: float = 0.05
    bf16: bool = True
    log_metrics: LogMetrics = ignore_metrics

    @property
    def learning_rate_factors(self) -> dict[str, float]:
        """The learning rate of each part of the model, as a multiple of the schedule's."""
        return {"encoder": self.encoder_rate, "decoder": 1.0}

    def autocast(self) -> torch.autocast:
        """A context in which matrix products are computed in bfloat16 if `bf16`."""
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.bf16)

    def batch(self, images: int, captions_per_image: int, step: int) -> Mapping[str, tuple[Tensor, Tensor]]:
        """This process's part of a step's batch, by the kinds of corpora in `CorpusWeights`, those that there are.

        Args:
            images: Images of the first corpus, over all processes.
            captions_per_image: B; of each sentence without an image there is one.
            step: Number of the step.

        Returns:
            For ``captioned`` and ``named`` the model's input ``[n, ...]``, for ``text`` class probabilities ``[n, C]``;
            with them words int64 ``[n, B, T]``.
        """
        sizes = [max(self.accelerator.num_processes, round(images * share)) for share in self.corpus_shares]
        found = {}
        for number, (kind, some) in enumerate({"captioned": slice(1), "named": slice(1, None)}.items()):
            if self.corpora[some]:
                found[kind] = sample_batch(
                    self.corpora[some], sizes[some], captions_per_image, self.vocabulary, self.max_length, step,
                    self.seed + number,
                )  # fmt: skip
        if self.texts is not None:
            size = max(self.accelerator.num_processes, round(images * self.text_share))
            found["text"] = self.texts.sample(size, self.vocabulary, self.max_length, step, self.seed)
        return {kind: (self.local(inputs), self.local(words)) for kind, (inputs, words) in found.items()}

    def local(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch, on its device."""
        own = rows[self.accelerator.process_index :: self.accelerator.num_processes]
        return own.to(self.accelerator.device)

    def step_seed(self, step: int) -> int:
        """Seed of a step's dropout. It differs between processes, which would otherwise drop the same units."""
        number = self.seed * 1_000_003 + step
        return number * int(self.accelerator.num_processes) + int(self.accelerator.process_index)

    def mean_over_processes(self, number: Tensor) -> Tensor:
        """The mean over all processes of a number that each process has."""
        return self.accelerator.reduce(number.detach().float(), "mean")  # type: ignore[no-any-return]
