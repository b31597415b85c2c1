"""Phase 3 of a captioner: which phrases photos call for, by a detector beside it, which reranks what its search finds.

How they rank: `imagist.captioning.reranking.concepts`.

Shapes: N photos, L cells, D channels, G concepts, K sentences.
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
from imagist.training.captioners.recipe import Detection
from imagist.training.captioners.vocabulary import Vocabulary
from imagist.training.encoders.features import Features
from imagist.training.networks.concepts import ConceptDetector, pooled
from imagist.training.progress import Progress
from imagist.training.schedules import rate_at

_SAMPLED = 1000  # photos whose channels are measured
_AT_ONCE = 100
_RAREST = 1e-4  # share of sentences: odds stay finite


@dataclass(frozen=True, eq=False)
class Reranker:
    """What ranks a search's hypotheses.

    Attributes:
        detector: Grid to shares ``[N, G]``; in eval mode.
        concepts: The G phrases.
    """

    detector: ConceptDetector
    concepts: Concepts

    @torch.no_grad()
    def reranker_score(self, grid: Tensor, vocabulary: Vocabulary) -> RerankerScore:
        """What `imagist.captioning.decoding.generate` asks for the photos of ``[N, L, D]``."""
        shares = self.detector(grid.float()).cpu().numpy()

        def of(photo: int, sentences: Sequence[Ints]) -> Floats:
            return self.concepts.reranker_score([vocabulary.decode(words) for words in sentences], shares[photo])

        return of


def learn_concepts(
    corpus: Corpus,
    encoder: nn.Module,
    language: str,
    config: Detection,
    path: Path,
    *,
    seed: int,
    device: torch.device,
) -> Reranker:
    """Learns concepts, or reads what an earlier call with the same arguments left.

    Args:
        corpus: Photos with sentences.
        encoder: From what the corpus gives to grids.
        language: Of the sentences that count.
        config: Settings.
        path: Of what is left.
        seed: Of weights, views and dropout.
        device: Where the encoder lies, and the detector while it learns.

    Returns:
        The reranker, on the processor, as what a bundle is made of.

    Raises:
        DataError: No phrase is as usual as a concept has to be.
    """
    references = corpus.references(language)
    concepts, shares = common(references, config)
    if not concepts.counts:
        raise DataError(
            f"no phrase is in {config.least_count} sentences", item="concepts.least_count", remedy="lower it"
        )
    torch.manual_seed(seed)

    @torch.no_grad()
    def pool(given: Tensor) -> Tensor:
        return pooled(encoder(given.to(device)).float())

    channels = pool(corpus.features.whole(0, 1)).shape[1] // 2
    detector = ConceptDetector(channels, len(concepts.counts), config.members, config.width, config.dropout).to(device)
    if left := checkpoint.load(path):
        detector.load_state_dict(left["weights"])
    else:
        _learn(detector, corpus.features.changed(pool), shares.to(device), config, seed)
        checkpoint.save(path, {"weights": {name: x.cpu() for name, x in detector.state_dict().items()}})
    return Reranker(detector.cpu().eval(), concepts)


def common(references: Sequence[Sequence[str]], config: Detection) -> tuple[Concepts, Tensor]:
    """The phrases of at least so many sentences; and the share of each photo's sentences that has each, ``[N, G]``.

    Args:
        references: Of each photo, one or more.
        config: Settings.
    """
    said = [[ngrams(text.split()) for text in of] for of in references]
    flat = [[{phrase for order in text for phrase in order} for text in of] for of in said]
    sentences = Counter(phrase for of in flat for text in of for phrase in text)
    photos = Counter(phrase for of in flat for phrase in set().union(*of))
    kept = sorted(phrase for phrase, count in sentences.items() if count >= config.least_count)
    places = {phrase: place for place, phrase in enumerate(kept)}
    shares = torch.zeros(len(flat), len(kept))
    for photo, of in enumerate(flat):
        for text in of:
            shares[photo, [places[phrase] for phrase in text if phrase in places]] += 1 / len(of)
    squares = {phrase: np.log(len(flat) / count) ** 2 for phrase, count in photos.items()}
    vectors = [[sum(squares[phrase] for phrase in order) ** 0.5 for order in text] for of in said for text in of]
    lengths = tuple(float(length) or 1.0 for length in np.mean(vectors, 0))  # 0 where no sentence has so many words
    counts = {phrase: photos[phrase] for phrase in kept}
    return Concepts(counts, len(flat), lengths, config.weight, config.power), shares


def _learn(detector: ConceptDetector, features: Features, shares: Tensor, config: Detection, seed: int) -> None:
    """Learns what photos ``[N, 2 D]`` call for."""
    device, number = shares.device, len(features)
    usual = shares.mean(0).clamp(_RAREST, 1 - _RAREST).logit()
    sampled = min(number, _SAMPLED)
    some = torch.cat([features.whole(at, min(at + _AT_ONCE, sampled)) for at in range(0, sampled, _AT_ONCE)]).to(device)
    with torch.no_grad():
        detector.centre.copy_(some.mean(0))
        detector.spread.copy_(some.std(0) + 1e-3)
    steps = -(-config.epochs * number // config.batch)
    progress = Progress("concepts", len(detector.members) * steps)
    detector.train()
    for place, member in enumerate(detector.members):
        _begin(member[-1], usual)  # type: ignore[index]
        optimiser = torch.optim.AdamW(member.parameters(), lr=config.rate, weight_decay=config.decay)
        for step in range(steps):
            rng = np.random.default_rng((seed, 3, place, step))
            photos = rng.integers(number, size=config.batch)
            seen = detector.seen(features.some(photos, rng).to(device))
            loss = F.binary_cross_entropy_with_logits(member(seen), shares[photos], reduction="sum") / config.batch
            optimiser.param_groups[0]["lr"] = rate_at(config.rate, step, steps, warm=1)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            progress.step(config.batch, loss=float(loss.detach()))


@torch.no_grad()
def _begin(last: nn.Linear, usual: Tensor) -> None:
    """A member begins with what is usual, and little else."""
    last.bias.copy_(usual)
    last.weight.mul_(0.01)
