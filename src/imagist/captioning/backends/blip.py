"""`blip`: BLIP (Li et al. 2022, "BLIP: Bootstrapping Language-Image Pre-training"), by transformers.

A vision transformer, and a text decoder that attends to its patches.
"""

from __future__ import annotations

from imagist.bundle.checkpoints import Checkpoint
from imagist.captioning import published
from imagist.captioning.options import CaptionOptions
from imagist.captioning.pretrained.captioner import Family, load_captioner
from imagist.captioning.pretrained.generation import Start
from imagist.images.encoder import Encoder
from imagist.protocols import Captioner

MODELS = published.MODELS["blip"]


def _start(checkpoint: Checkpoint, prompt: str) -> Start:
    """BLIP's own start token, then the prompt; the separator ends a caption.

    ``BlipForConditionalGeneration.generate`` drops the last token, the separator that its processor appends, and sets
    the end and the padding itself.
    """
    text = checkpoint.model.config.text_config
    begin = [text.bos_token_id, *checkpoint.tokenizer(prompt, add_special_tokens=False)["input_ids"]]
    given, ends = [*begin, text.sep_token_id], [text.sep_token_id]
    return Start(given, len(begin), len(begin), ends, text.vocab_size, text.max_position_embeddings)


_FAMILY = Family("blip", "blip", "BlipForConditionalGeneration", MODELS, _start)


def load(
    model: str | None,
    options: CaptionOptions,
    encoder: Encoder | None = None,
    *,
    prompt: str | None = None,
    translator: str | None = None,
) -> Captioner:
    """Opens a BLIP captioner; the registry calls this.

    Args:
        model: ``blip-base``, ``blip-large``, a name on the Hugging Face hub, or a folder; ``#PRESET`` after it chooses
            the settings of `imagist.captioning.pretrained.presets`. None is ``blip-base``.
        options: What a user asked for.
        encoder: Not used: the model has its own.
        prompt: What the caption continues; not part of it.
        translator: MarianMT model for ``options.language``; None takes the published one.

    Raises:
        ImagistError: See `imagist.captioning.pretrained.captioner.load_captioner`.
    """
    return load_captioner(_FAMILY, model, options, prompt, translator)
