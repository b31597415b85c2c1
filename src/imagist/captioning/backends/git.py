"""`git`: GIT (Wang et al. 2022) by transformers: "A Generative Image-to-text Transformer for Vision and Language".

One decoder over the image's tokens followed by those of the caption.
"""

from __future__ import annotations

from imagist.bundle.checkpoints import Checkpoint
from imagist.captioning import published
from imagist.captioning.options import CaptionOptions
from imagist.captioning.pretrained.captioner import Family, load_captioner
from imagist.captioning.pretrained.generation import Start, token_ids
from imagist.images.encoder import Encoder
from imagist.protocols import Captioner

MODELS = published.MODELS["git"]


def _start(checkpoint: Checkpoint, prompt: str) -> Start:
    """The class token, then the prompt; the separator ends a caption."""
    config, settings = checkpoint.model.config, checkpoint.model.generation_config
    bos = config.bos_token_id if settings.bos_token_id is None else settings.bos_token_id
    ends = token_ids(config.eos_token_id if settings.eos_token_id is None else settings.eos_token_id)
    given = [bos, *checkpoint.tokenizer(prompt, add_special_tokens=False)["input_ids"]]
    special = {"eos_token_id": ends, "pad_token_id": checkpoint.tokenizer.pad_token_id}
    return Start(given, len(given), len(given), ends, config.vocab_size, config.max_position_embeddings, special)


_FAMILY = Family("git", "git", "GitForCausalLM", MODELS, _start)


def load(
    model: str | None,
    options: CaptionOptions,
    encoder: Encoder | None = None,
    *,
    prompt: str | None = None,
    translator: str | None = None,
) -> Captioner:
    """Opens a GIT captioner; the registry calls this.

    Args:
        model: ``git-large-coco``, a name on the Hugging Face hub, or a folder; ``#PRESET`` after it chooses the
            settings of `imagist.captioning.pretrained.presets`. None is ``git-large-coco``.
        options: What a user asked for.
        encoder: Not used: the model has its own.
        prompt: What the caption continues; not part of it.
        translator: MarianMT model for ``options.language``; None takes the published one.

    Raises:
        ImagistError: See `imagist.captioning.pretrained.captioner.load_captioner`.
    """
    return load_captioner(_FAMILY, model, options, prompt, translator)
