"""`vlm`: vision-language models that are asked in a chat: SmolVLM, Qwen-VL, LLaVA, Gemma and others, by transformers.

Any checkpoint of transformers' image-text-to-text classes whose processor has a chat template; PaliGemma, which has
none, is asked in plain text. Images of a batch may have different numbers of tokens: their conversations are padded on
the left. The question is no part of the caption.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from PIL import Image
from pydantic import Field

from imagist.bundle.checkpoints import Checkpoint
from imagist.captioning import published
from imagist.captioning.options import CaptionOptions
from imagist.captioning.pretrained.captioner import Family, load_captioner
from imagist.captioning.pretrained.generation import Inputs, Start, token_ids
from imagist.errors import BundleError
from imagist.images.encoder import Encoder
from imagist.protocols import Captioner
from imagist.records import Photo

MODELS = published.MODELS["vlm"]
PROMPT = "Describe this image in one short sentence."
"""What a model is asked where no prompt is given."""

_PLAIN = {"paligemma": "caption en"}  # models without a chat template, and what they are asked by default


def _start(checkpoint: Checkpoint, prompt: str) -> Start:
    """The conversation about each image; all tokens that end a turn end a caption.

    Raises:
        BundleError: The model has no chat template.
    """
    config, processor = checkpoint.model.config, checkpoint.images
    kind, text = config.model_type, config.get_text_config(decoder=True)
    template = getattr(processor, "chat_template", None) or getattr(processor.tokenizer, "chat_template", None)
    if template is None and kind not in _PLAIN:
        raise BundleError(
            f"this model of the kind {kind} has no chat template",
            item=checkpoint.name,
            remedy="choose the model's version that follows instructions, often called Instruct or it",
        )
    question = (_PLAIN[kind] if prompt == PROMPT else prompt) if template is None else _question(processor, prompt)
    settings = checkpoint.model.generation_config
    own = [settings.eos_token_id, text.eos_token_id, processor.tokenizer.eos_token_id]
    ends = token_ids(next((end for end in own if end is not None), []))
    pad = processor.tokenizer.pad_token_id
    special = {"eos_token_id": ends, "pad_token_id": ends[0] if pad is None and ends else pad}
    returned = 1 if config.is_encoder_decoder else None
    read = partial(_read, checkpoint, question)
    return Start((), returned, 0, ends, text.vocab_size, settings=special, read=read)


def _question(processor: Any, prompt: str) -> str:
    """The text of a conversation of one turn: the image, then the prompt; it ends where the model is to answer."""
    content = [{"type": "image"}, *([{"type": "text", "text": prompt}] if prompt else [])]
    turn = [{"role": "user", "content": content}]
    return str(processor.apply_chat_template(turn, add_generation_prompt=True, tokenize=False))


def _read(checkpoint: Checkpoint, question: str, photos: Sequence[Photo]) -> Inputs:
    """The tensors of N conversations, padded on the left to the longest."""
    processor, model = checkpoint.images, checkpoint.model
    tokenizer = processor.tokenizer
    settings = {"padding": True, "padding_side": "left", "return_tensors": "pt"}
    if tokenizer.bos_token is not None and question.startswith(tokenizer.bos_token):
        settings["add_special_tokens"] = False  # the template has written it
    images = [[Image.fromarray(photo.pixels)] for photo in photos]
    made = processor(text=[question] * len(photos), images=images, **settings)
    return {
        name: value.to(model.device, model.dtype) if value.is_floating_point() else value.to(model.device)
        for name, value in made.items()
    }


_FAMILY = Family("vlm", None, "AutoModelForImageTextToText", MODELS, _start, processor=True, prompt=PROMPT)


def load(
    model: str | None,
    options: CaptionOptions,
    encoder: Encoder | None = None,
    *,
    prompt: str | None = None,
    max_tokens: Annotated[int, Field(ge=1)] | None = None,
    translator: str | None = None,
) -> Captioner:
    """Opens a vision-language model; the registry calls this.

    Args:
        model: ``smolvlm-256m``, ``smolvlm-500m``, ``qwen2.5-vl-3b``, a name on the Hugging Face hub, or a folder. None
            is ``smolvlm-256m``.
        options: What a user asked for. On ``cuda`` the weights are bfloat16.
        encoder: Not used: the model has its own.
        prompt: What the model is asked about each image; None is `PROMPT`.
        max_tokens: Most tokens of a caption; None is ``options.decoding.max_length``.
        translator: MarianMT model for ``options.language``; None takes the published one.

    Raises:
        BundleError: Also a model that has no chat template.
        ImagistError: Else as `imagist.captioning.pretrained.captioner.load_captioner` raises.
    """
    dtype = "bfloat16" if options.device.startswith("cuda") else "float32"
    if max_tokens is not None:
        options = replace(options, decoding=replace(options.decoding, max_length=max_tokens))
    return load_captioner(_FAMILY, model, options, prompt, translator, dtype=dtype)
