"""`blip`: BLIP (Li et al. 2022, "BLIP: Bootstrapping Language-Image Pre-training"), by transformers.

A vision transformer, and a text decoder that attends to its patches.
Shapes: N photos; R rows, one a beam; P patches; D their width; V words.
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

MODELS = {
    "blip-base": "Salesforce/blip-image-captioning-base",
    "blip-large": "Salesforce/blip-image-captioning-large",
}


class _Blip:
    """`imagist.captioning.pretrained.words.LanguageModel` over a ``BlipForConditionalGeneration``."""

    def __init__(self, network: Any, before: list[int]) -> None:
        self._network, self._before = network, before

    def look(self, pixels: Tensor) -> Sight:
        seen = self._network.vision_model(pixel_values=pixels).last_hidden_state
        cache = empty_cache(cross=True)
        words = for_each(pixels, self._before)
        return Sight(self.say(words, cache, seen), cache, seen)

    def say(self, words: Tensor, cache: Any, memory: Tensor | None) -> Tensor:
        told = self._network.text_decoder(
            input_ids=words, encoder_hidden_states=memory, past_key_values=cache, use_cache=True
        )
        return told.logits[:, -1]  # type: ignore[no-any-return]


def _opening(checkpoint: Checkpoint, prompt: str) -> Opening:
    """Its own start word, then the prompt; it ends with the separator."""
    text = checkpoint.model.config.text_config
    before = [text.bos_token_id, *checkpoint.tokenizer(prompt, add_special_tokens=False)["input_ids"]]
    model, room = _Blip(checkpoint.model, before), text.max_position_embeddings
    return Opening(model, len(before), before[-1], text.sep_token_id, text.vocab_size, room)


_FAMILY = Family("blip", "blip", "BlipForConditionalGeneration", MODELS, _opening)


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
        model: ``blip-base``, ``blip-large``, a name on the Hugging Face hub, or a folder; ``#PRESET`` behind it chooses
            the settings of `imagist.captioning.pretrained.presets`.
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
