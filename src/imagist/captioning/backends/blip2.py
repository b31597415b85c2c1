"""`blip2`: BLIP-2 (Li et al. 2023) by transformers, over OPT (decoder only) or Flan-T5 (encoder and decoder).

"BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large Language Models".
"""

from __future__ import annotations

from imagist.bundle.checkpoints import Checkpoint
from imagist.captioning import published
from imagist.captioning.options import CaptionOptions
from imagist.captioning.pretrained.captioner import Family, load_captioner
from imagist.captioning.pretrained.generation import Start, token_ids
from imagist.errors import BundleError
from imagist.images.encoder import Encoder
from imagist.protocols import Captioner

MODELS = published.MODELS["blip2"]


def _start(checkpoint: Checkpoint, prompt: str) -> Start:
    """A token for each query of the image, then the prompt, which OPT continues and T5 reads.

    Raises:
        BundleError: The configuration names no token that stands for the image.
    """
    config, text, tokenizer = checkpoint.model.config, checkpoint.model.config.text_config, checkpoint.tokenizer
    if config.image_token_index is None:
        raise BundleError(
            "the configuration names no image token",
            item=checkpoint.name,
            remedy="convert the checkpoint to the format of transformers 4.46 or later, which sets image_token_index",
        )
    image = [config.image_token_index] * config.num_query_tokens
    settings = checkpoint.model.language_model.generation_config
    ends = token_ids(text.eos_token_id if settings.eos_token_id is None else settings.eos_token_id)
    special = {"eos_token_id": ends, "pad_token_id": tokenizer.pad_token_id}
    if not config.use_decoder_only_language_model:
        read = tokenizer(prompt)["input_ids"] if prompt else [text.bos_token_id]
        return Start([*image, *read], 1, 1, ends, text.vocab_size, settings=special)
    begin = [text.bos_token_id, *tokenizer(prompt, add_special_tokens=False)["input_ids"]]
    positions, given = text.max_position_embeddings - len(image), [*image, *begin]
    return Start(given, len(given), len(begin), ends, text.vocab_size, positions, special)


_FAMILY = Family("blip2", "blip-2", "Blip2ForConditionalGeneration", MODELS, _start)


def load(
    model: str | None,
    options: CaptionOptions,
    encoder: Encoder | None = None,
    *,
    prompt: str | None = None,
    translator: str | None = None,
) -> Captioner:
    """Opens a BLIP-2 captioner; the registry calls this.

    Args:
        model: ``blip2-2.7b``, ``blip2-flan-t5-xl``, a name on the Hugging Face hub, or a folder; ``#PRESET`` after it
            chooses the settings of `imagist.captioning.pretrained.presets`. None is ``blip2-2.7b``.
        options: What a user asked for. On ``cuda`` the weights are bfloat16: half the memory, and Flan-T5 is not
            usable in float16.
        encoder: Not used: the model has its own.
        prompt: What the caption continues; not part of it.
        translator: MarianMT model for ``options.language``; None takes the published one.

    Raises:
        ImagistError: See `imagist.captioning.pretrained.captioner.load_captioner`.
    """
    dtype = "bfloat16" if options.device.startswith("cuda") else "float32"
    return load_captioner(_FAMILY, model, options, prompt, translator, dtype=dtype)
