"""`clip`: CLIP, SigLIP, SigLIP 2, AltCLIP, Chinese-CLIP and others of their interface, by transformers.

Shapes: N photos; P texts; D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from imagist.arrays import Array, unit
from imagist.bundle.checkpoints import Checkpoint
from imagist.bundle.checkpoints import load as load_checkpoint
from imagist.errors import UsageError
from imagist.matching.background import Background
from imagist.matching.published import PublishedMatcher, read_matcher
from imagist.matching.zero_shot import ZeroShot
from imagist.protocols import PartOptions
from imagist.records import Photo

KIND = "clip"


class ClipMatcher(PublishedMatcher):
    """Implements `imagist.protocols.Matcher` over a checkpoint with ``get_image_features`` and ``get_text_features``.

    Args:
        checkpoint: The model.
        model: How the checkpoint was asked for, for the card.
        options: Threads, and how long texts are read.
        zero_shot: Settings for categories by name.
        background: Mean and covariance of its embeddings, if they are known.

    Raises:
        UsageError: The model embeds no images and texts, or no such way to read long texts.
    """

    kind = KIND

    def __init__(
        self,
        checkpoint: Checkpoint,
        model: str,
        options: PartOptions,
        zero_shot: ZeroShot | None = None,
        background: Background | None = None,
    ) -> None:
        network = checkpoint.model
        if not (hasattr(network, "get_image_features") and hasattr(network, "get_text_features")):
            raise UsageError(
                f"a model of the kind {network.config.model_type} does not embed images and texts into one space",
                item=model,
                remedy="choose a model such as CLIP or SigLIP",
            )
        super().__init__(model, options, zero_shot, background)
        self.id = f"{checkpoint.name}/{KIND}"
        self.scale = float(network.logit_scale.detach().exp())
        self._checkpoint = checkpoint
        self._siglip = str(network.config.model_type).startswith("siglip")
        self.max_tokens = _limit(network.config, checkpoint.tokenizer)

    def texts(self, texts: Sequence[str]) -> Array:
        """As `PublishedMatcher.texts`; SigLIP reads lower case, as it was trained."""
        return super().texts([text.lower() for text in texts] if self._siglip else texts)

    def token_count(self, text: str) -> int:
        """The number of tokens of a text, those that it begins and ends with included."""
        return len(self._checkpoint.tokenizer(text)["input_ids"])

    def _see(self, photos: Sequence[Photo]) -> Array:
        return _embeddings(self._checkpoint.model.get_image_features(**self._pixels(photos)))

    def _read(self, texts: list[str]) -> Array:
        padding = {"padding": "max_length", "max_length": self.max_tokens} if self._siglip else {"padding": True}
        tokens = self._checkpoint.tokenizer(texts, return_tensors="pt", **padding)
        given = {name: tensor.to(self._checkpoint.model.device) for name, tensor in tokens.items()}
        return _embeddings(self._checkpoint.model.get_text_features(**given))

    def _pixels(self, photos: Sequence[Photo]) -> dict[str, Tensor]:
        """What the network takes of photos, one photo at a time, as their sizes differ."""
        process, device = self._checkpoint.images, self._checkpoint.model.device
        made = [process(Image.fromarray(photo.pixels), return_tensors="pt") for photo in photos]
        return {name: torch.cat([one[name] for one in made]).to(device) for name in made[0]}


def _embeddings(found: Any) -> Array:
    """Unit vectors of what a network of transformers returns: a tensor, or an output that holds it."""
    features = found if isinstance(found, Tensor) else found.pooler_output
    return unit(features.float().cpu().numpy())


def _limit(config: Any, tokenizer: Any) -> int:
    """Most tokens of a text, those that it begins and ends with included."""
    text = config.text_config
    places = int(text.max_position_embeddings)
    if "roberta" in str(text.model_type) or config.model_type == "altclip":  # their places begin after the padding's
        places -= int(text.pad_token_id) + 1
    return min(places, int(tokenizer.model_max_length))


def load(model: str, options: PartOptions) -> ClipMatcher:
    """Opens a matcher over a checkpoint; the registry calls this.

    Args:
        model: A name on the Hugging Face hub such as ``openai/clip-vit-base-patch32``, a folder written by
            ``save_pretrained``, or the folder of a saved matcher, or a model that has one.
        options: Device, threads, and how long texts are read.

    Raises:
        ImagistError: As `imagist.bundle.checkpoints.load` raises, or the model is of another kind.
    """
    name, zero_shot, background = read_matcher(model)
    checkpoint = load_checkpoint(name, None, "AutoModel", device=options.device)
    return ClipMatcher(checkpoint, name, options, zero_shot, background)
