"""`blip2`: BLIP-2 (Li et al. 2023) by transformers, over OPT (decoder only) or Flan-T5 (encoder and decoder).

"BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large Language Models".
Shapes: N photos; R rows, one a beam; Q queries; P what the decoder attends to; D its width; V words.
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

MODELS = {"blip2-2.7b": "Salesforce/blip2-opt-2.7b", "blip2-flan-t5-xl": "Salesforce/blip2-flan-t5-xl"}


class _DecoderOnly:
    """Implements `LanguageModel` for a BLIP-2 whose language model is decoder-only."""

    def __init__(self, network: Any, before: list[int]) -> None:
        self._network, self._before = network, before

    def look(self, pixels: Tensor) -> Sight:
        cache = empty_cache(cross=False)
        given = _given(self._network, pixels, self._before)
        told = self._network.language_model(inputs_embeds=given, past_key_values=cache, use_cache=True)
        return Sight(told.logits[:, -1], cache)

    def say(self, words: Tensor, cache: Any, memory: Tensor | None) -> Tensor:
        told = self._network.language_model(input_ids=words, past_key_values=cache, use_cache=True)
        return told.logits[:, -1]  # type: ignore[no-any-return]


class _EncoderDecoder:
    """`imagist.captioning.pretrained.words.LanguageModel` over a BLIP-2 whose language model reads, then writes."""

    def __init__(self, network: Any, before: list[int], start: int) -> None:
        self._network, self._before, self._start = network, before, start

    def look(self, pixels: Tensor) -> Sight:
        given = _given(self._network, pixels, self._before)
        read = self._network.language_model.get_encoder()(inputs_embeds=given).last_hidden_state
        cache = empty_cache(cross=True)
        words = for_each(pixels, [self._start])
        return Sight(self.say(words, cache, read), cache, read)

    def say(self, words: Tensor, cache: Any, memory: Tensor | None) -> Tensor:
        told = self._network.language_model(
            decoder_input_ids=words, encoder_outputs=(memory,), past_key_values=cache, use_cache=True
        )
        return told.logits[:, -1]  # type: ignore[no-any-return]


def _given(network: Any, pixels: Tensor, before: list[int]) -> Tensor:
    """What the language model is given instead of words: the queries' answers, then the prompt; ``[N, Q + T, D]``."""
    import torch

    patches = network.vision_model(pixel_values=pixels).last_hidden_state
    queries = network.query_tokens.expand(len(pixels), -1, -1)
    answers = network.qformer(query_embeds=queries, encoder_hidden_states=patches).last_hidden_state
    answers = network.language_projection(answers.to(patches.dtype))
    words = for_each(pixels, before)
    return torch.cat([answers, network.language_model.get_input_embeddings()(words).to(answers.dtype)], 1)


def _opening(checkpoint: Checkpoint, prompt: str) -> Opening:
    """The language model's own start and end; a prompt is continued by OPT and read by T5."""
    network, text = checkpoint.model, checkpoint.model.config.text_config
    ends = network.language_model.generation_config.eos_token_id
    ends = text.eos_token_id if ends is None else ends
    if network.config.use_decoder_only_language_model:
        before = [text.bos_token_id, *checkpoint.tokenizer(prompt, add_special_tokens=False)["input_ids"]]
        room = text.max_position_embeddings - network.config.num_query_tokens
        return Opening(_DecoderOnly(network, before), len(before), before[-1], ends, text.vocab_size, room)
    read = list(checkpoint.tokenizer(prompt)["input_ids"]) if prompt else [text.bos_token_id]
    start = text.decoder_start_token_id
    return Opening(_EncoderDecoder(network, read, start), 1, start, ends, text.vocab_size)


_FAMILY = Family("blip2", "blip-2", "Blip2ForConditionalGeneration", MODELS, _opening)


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
        model: ``blip2-2.7b``, ``blip2-flan-t5-xl``, a name on the Hugging Face hub, or a folder; ``#PRESET`` behind it
            chooses the settings of `imagist.captioning.pretrained.presets`.
        options: What a user asked for. On ``cuda`` the weights are bfloat16: half the memory, and Flan-T5 is not
            usable in float16.
        encoder: Not used: the model looks for itself.
        prompt: What the caption continues; not part of it.
        translator: MarianMT model for ``options.language``; None takes the published one.

    Raises:
        ImagistError: See `imagist.captioning.pretrained.captioner.load_captioner` and
            `imagist.captioning.translation.translator_into`.
    """
    into = translator_into(options, translator)
    dtype = "bfloat16" if options.device.startswith("cuda") else "float32"
    captioner = load_captioner(_FAMILY, model, options, prompt, dtype=dtype)
    return TranslatedCaptioner(captioner, into) if into else captioner
