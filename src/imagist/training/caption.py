"""Recipe: the embedded captioner, on Flickr8k's sentences and on sentences made from labels.

Cross-entropy first, then self-critical training on CIDEr-D. The best epoch of each is chosen on dev.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from imagist.training import checkpoint
from imagist.training.captioning import CaptionConfig, Captioned, Sentences
from imagist.training.critical import self_critical
from imagist.training.crossentropy import cross_entropy
from imagist.training.judge import Judge
from imagist.training.networks import Decoder


def train_captioner(sets: Sequence[Captioned], dev: Captioned, folder: Path, config: CaptionConfig) -> Decoder:
    """Trains the captioner, or goes on where ``folder`` says an earlier run stood.

    Args:
        sets: Flickr8k first, then the labelled sets; one for each of ``config.batch``.
        dev: Flickr8k dev, on which epochs are compared.
        folder: Receives ``captioner.pt``, ``vocabulary.txt`` and checkpoints.
        config: Settings.
    """
    torch.manual_seed(config.seed)
    sentences = Sentences(sets, config)
    decoder = Decoder(
        len(sentences.words), sets[0].grids.shape[3], config.hidden, config.embedding, config.attention, config.dropout
    )
    (folder / "vocabulary.txt").write_text("\n".join(sentences.words) + "\n", "utf-8")
    finished = checkpoint.load(folder / "captioner.pt")
    if finished is None:
        judge = Judge(dev, sentences)
        cross_entropy(decoder, sets, sentences, judge, folder, config)
        self_critical(decoder, sets, sentences, judge, folder, config)
        checkpoint.save(folder / "captioner.pt", {"weights": decoder.state_dict(), "config": str(asdict(config))})
    else:
        decoder.load_state_dict(finished["weights"])
    return decoder.eval()
