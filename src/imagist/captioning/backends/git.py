"""`git`: GIT (Wang et al. 2022) by transformers: "A Generative Image-to-text Transformer for Vision and Language".

One decoder over the image's tokens followed by the words.
Shapes: N photos; R rows, one a beam; P image tokens; V words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagist.captioning.options import CaptionOptions
from imagist.captioning.pretrained.captioner import Family, Opening, load_captioner
from imagist.captioning.pretrained.loading import Checkpoint
from imagist.captioning.pretrained.words import Sight, empty_cache, for_each
from imagist.captioning.translation import TranslatedCaptioner, translator_into
from imagist.images.encoder import Encoder
from imagist.protocols import Captioner

if TYPE_CHECKING:
    from torch import Tensor

MODELS = {"git-large-coco": "microsoft/git-large-coco"}


class _Git:
    """`imagist.captioning.pretrained.words.LanguageModel` over a ``GitForCausalLM``."""

    def __init__(self, network: Any, before: list[int]) -> None:
        self._network, self._before = network, before
        self._image = 0

    def look(self, pixels: Tensor) -> Sight:
        cache = empty_cache(cross=False)
        words = for_each(pixels, self._before)
        told = self._network(input_ids=words, pixel_values=pixels, past_key_values=cache, use_cache=True)
        self._image = cache.get_seq_length() - len(self._before)
        return Sight(told.logits[:, -1], cache)

    def say(self, words: Tensor, cache: Any, memory: Tensor | None) -> Tensor:
        # places are counted from the first word; left to itself the model counts the image's tokens too
        place = words.new_tensor([[cache.get_seq_length() - self._image]])
        told = self._network(input_ids=words, position_ids=place, past_key_values=cache, use_cache=True)
        return told.logits[:, -1]  # type: ignore[no-any-return]


def _opening(checkpoint: Checkpoint, prompt: str) -> Opening:
    """The class token, then the prompt; it ends with the separator."""
    config, settings = checkpoint.model.config, checkpoint.model.generation_config
    start = config.bos_token_id if settings.bos_token_id is None else settings.bos_token_id
    ends = config.eos_token_id if settings.eos_token_id is None else settings.eos_token_id
    before = [start, *checkpoint.tokenizer(prompt, add_special_tokens=False)["input_ids"]]
    model, room = _Git(checkpoint.model, before), config.max_position_embeddings
    return Opening(model, len(before), before[-1], ends, config.vocab_size, room)


_FAMILY = Family("git", "git", "GitForCausalLM", MODELS, _opening)


def from_model(
    model: str,
    options: CaptionOptions,
    encoder: Encoder | None = None,
    *,
    prompt: str | None = None,
    translator: str | None = None,
) -> Captioner:
    """The registry's door.

    Args:
        model: ``git-large-coco``, a name on the Hugging Face hub, or a folder; ``#PRESET`` behind it chooses the
            settings of `imagist.captioning.pretrained.presets`.
        options: What a user asked for.
        encoder: Not used: the model looks for itself.
        prompt: What the caption continues; not part of it.
        translator: MarianMT model for ``options.language``; None takes the published one.

    Raises:
        ImagistError: See `imagist.captioning.pretrained.captioner.load_captioner` and
            `imagist.captioning.translation.translator_into`.
    """
    into = translator_into(options, translator)
    captioner = load_captioner(_FAMILY, model, options, prompt)
    return TranslatedCaptioner(captioner, into) if into else captioner
