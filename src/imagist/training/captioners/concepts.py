"""Phase 3 of a captioner's training: an ensemble that detects concepts, to rerank caption hypotheses.

`imagist.captioning.reranking.concepts` reranks with the concepts.

Shapes: N images, L cells, D channels, G concepts, K hypotheses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import Floats, Ints
from imagist.captioning.decoding import RerankerScore
from imagist.captioning.reranking.concepts import Concepts, ngrams
from imagist.errors import DataError
from imagist.training import checkpoint
from imagist.training.captioners.corpus import Corpus
from imagist.training.captioners.recipe import ConceptDetection
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.encoders.features import Features
from imagist.training.networks.concepts import ConceptDetector, pooled
from imagist.training.progress import Progress
from imagist.training.schedules import warmup_cosine

_STATISTICS = 1000  # images whose features are standardised
_AT_ONCE = 100
_MIN_SHARE = 1e-4  # of captions: keeps the log-odds finite


@dataclass(frozen=True, eq=False)
class Reranker:
    """Reranks the hypotheses of a search by the concepts that are detected in the image.

    Attributes:
        detector: From a grid to the expected share of captions with each concept, ``[N, G]``; in eval mode.
        concepts: The G concepts.
    """

    detector: ConceptDetector
    concepts: Concepts

    @torch.no_grad()
    def reranker_score(self, grid: Tensor, vocabulary: Vocabulary) -> RerankerScore:
        """The score of hypotheses for the images of a grid ``[N, L, D]``, as `decoding.generate` takes it."""
        shares = self.detector(grid.float()).cpu().numpy()

        def score(photo: int, sentences: Sequence[Ints]) -> Floats:
            return self.concepts.reranker_score([vocabulary.decode(words) for words in sentences], shares[photo])

        return score


def train_concepts(
    corpus: Corpus,
    encoder: nn.Module,
    language: str,
    config: ConceptDetection,
    path: Path,
    *,
    seed: int,
    device: torch.device,
) -> Reranker:
    """Trains the detector, or reads the weights that an earlier call with the same arguments saved.

    Args:
        corpus: Images with captions.
        encoder: From the corpus's features to grids.
        language: Language of the captions that are counted.
        config: Settings of the phase.
        path: File of the weights.
        seed: Seed of initial weights, views and dropout.
        device: Of the encoder, and of the detector during training.

    Returns:
        The reranker, on the CPU.

    Raises:
        DataError: No phrase is frequent enough.
    """
    concepts, shares = frequent_phrases(corpus.references(language), config)
    if not concepts.counts:
        message = f"no phrase occurs in {config.min_count} captions"
        raise DataError(message, item="concepts.min_count", remedy="lower it")
    torch.manual_seed(seed)

    @torch.no_grad()
    def pool(inputs: Tensor) -> Tensor:
        return pooled(encoder(inputs.to(device)).float())

    channels = pool(corpus.features.whole(0, 1)).shape[1] // 2
    sizes = (channels, len(concepts.counts), config.members, config.hidden_size)
    detector = ConceptDetector(*sizes, config.dropout).to(device)
    if saved := checkpoint.load(path):
        detector.load_state_dict(saved["weights"])
    else:
        _train(detector, corpus.features.changed(pool), shares.to(device), config, seed)
        checkpoint.save(path, {"weights": {name: x.cpu() for name, x in detector.state_dict().items()}})
    return Reranker(detector.cpu().eval(), concepts)


def frequent_phrases(references: Sequence[Sequence[str]], config: ConceptDetection) -> tuple[Concepts, Tensor]:
    """Finds the n-grams that occur in ``config.min_count`` captions or more.

    Args:
        references: One or more tokenised captions of each of N images.
        config: Settings of the phase.

    Returns:
        The concepts, and the share of each image's captions that contain each concept, float32 ``[N, G]``.
    """
    counted = [[ngrams(text.split()) for text in texts] for texts in references]
    phrases = [[{phrase for order in text for phrase in order} for text in texts] for texts in counted]
    captions = Counter(phrase for texts in phrases for text in texts for phrase in text)
    images = Counter(phrase for texts in phrases for phrase in set().union(*texts))
    frequent = sorted(phrase for phrase, count in captions.items() if count >= config.min_count)
    places = {phrase: place for place, phrase in enumerate(frequent)}
    shares = torch.zeros(len(phrases), len(frequent))
    for image, texts in enumerate(phrases):
        for text in texts:
            shares[image, [places[phrase] for phrase in text if phrase in places]] += 1 / len(texts)
    squared_idf = {phrase: np.log(len(phrases) / count) ** 2 for phrase, count in images.items()}
    norms = [[sum(squared_idf[p] for p in order) ** 0.5 for order in text] for texts in counted for text in texts]
    lengths = tuple(float(norm) or 1.0 for norm in np.mean(norms, 0))  # 0 where no caption has that many words
    counts = {phrase: images[phrase] for phrase in frequent}
    return Concepts(counts, len(phrases), lengths, config.weight, config.power), shares


def _train(detector: ConceptDetector, features: Features, shares: Tensor, config: ConceptDetection, seed: int) -> None:
    """Trains each member on pooled features ``[N, 2 D]`` to predict ``shares``."""
    device, number = shares.device, len(features)
    prior = shares.mean(0).clamp(_MIN_SHARE, 1 - _MIN_SHARE).logit()
    last = min(number, _STATISTICS)
    some = torch.cat([features.whole(at, min(at + _AT_ONCE, last)) for at in range(0, last, _AT_ONCE)]).to(device)
    with torch.no_grad():
        detector.mean.copy_(some.mean(0))
        detector.std.copy_(some.std(0) + 1e-3)
    steps = -(-config.epochs * number // config.batch_size)
    progress = Progress("concepts", len(detector.members) * steps)
    detector.train()
    for place, member in enumerate(detector.members):
        _initialise(member[-1], prior)  # type: ignore[index]
        optimiser = torch.optim.AdamW(member.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        for step in range(steps):
            rng = np.random.default_rng((seed, 3, place, step))
            images = rng.integers(number, size=config.batch_size)
            inputs = detector.standardised(features.some(images, rng).to(device))
            losses = F.binary_cross_entropy_with_logits(member(inputs), shares[images], reduction="sum")
            loss = losses / config.batch_size
            optimiser.param_groups[0]["lr"] = warmup_cosine(config.learning_rate, step, steps, warmup_steps=1)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            progress.step(config.batch_size, loss=float(loss.detach()))


@torch.no_grad()
def _initialise(last: nn.Linear, prior: Tensor) -> None:
    """Makes a member predict nearly the prior log-odds ``[G]``, whatever its input."""
    last.bias.copy_(prior)
    last.weight.mul_(0.01)
