"""The captioner that BLIP, BLIP-2, GIT and chat models share: images to tensors, `generate`, tokens to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from imagist.bundle import CARD, open_part, write_part
from imagist.bundle.checkpoints import Checkpoint, load, quiet, torch_threads
from imagist.captioning.decoding import Decoding, seeds_of
from imagist.captioning.options import CaptionOptions
from imagist.captioning.pretrained.generation import Generated, Generator, Start
from imagist.captioning.pretrained.presets import Preset, parse_model
from imagist.captioning.reranking.mbr import expected_similarity
from imagist.captioning.translation import TranslatedCaptioner, translator_into
from imagist.errors import ModelFailed, UsageError
from imagist.protocols import Captioner
from imagist.records import Caption, Hypothesis, Photo


@dataclass(frozen=True)
class Family:
    """Published models of one kind.

    Attributes:
        name: The captioner's name.
        model_type: What the configurations of these models name; None accepts any.
        network: The transformers class to make.
        models: Short names of models on the hub; the first one is the default.
        start: What a model reads before it writes, from the checkpoint and the prompt.
        processor: Whether the checkpoint's processor, which joins text and images, takes the place of its image
            processor.
        prompt: Where none is asked for.
    """

    name: str
    model_type: str | None
    network: str
    models: Mapping[str, str]
    start: Callable[[Checkpoint, str], Start]
    processor: bool = False
    prompt: str = ""


class PretrainedCaptioner:
    """Implements `imagist.protocols.Captioner` over a checkpoint.

    Captions are those of the model's own ``generate``, which differs from `imagist.captioning.decoding.generate`:
    hypotheses are ranked by log-probability / length ** length_penalty with the end counted in the length, a token may
    follow itself unless ``no_repeat_ngram_size`` is 1, and the prompt counts where n-grams must not repeat. Without a
    preset the search is done with an image when ``beam`` hypotheses have ended; with one it stops by the rule that
    transformers applies by default, as in the program that the preset is named after.

    Args:
        kind: The captioner's name.
        checkpoint: The model.
        start: What it reads before it writes, from the checkpoint and the prompt.
        options: How to search, and on how many threads; a preset goes before its decoding.
        preset: Settings by name; None searches as the options ask.
        prompt: What the caption continues, or what a chat model is asked; not part of the caption. None is the
            preset's, or ``default``.
        model: How the checkpoint was asked for, for the card.
        default: The prompt where neither is given.

    Raises:
        UsageError: Captions may become longer than the model can write.
    """

    def __init__(
        self,
        kind: str,
        checkpoint: Checkpoint,
        start: Callable[[Checkpoint, str], Start],
        options: CaptionOptions,
        preset: Preset | None = None,
        prompt: str | None = None,
        model: str = "",
        default: str = "",
    ) -> None:
        self.model = model
        self._kind, self._prompt, self._asked = kind, prompt, options.decoding
        prompt = (preset.prompt if preset else default) if prompt is None else prompt.strip()
        first = start(checkpoint, prompt)
        min_length = preset.min_new_tokens(first.length) if preset else 1
        self.decoding: Decoding = preset.decoding(options.decoding, first.length) if preset else options.decoding
        if first.positions is not None and first.length + self.decoding.max_length > first.positions:
            raise UsageError(
                f"{self.decoding.max_length} tokens are more than this model can write",
                item="max_length",
                remedy=f"at most {first.positions - first.length}",
            )
        self._checkpoint, self._threads, self._read = checkpoint, options.threads, first.read
        early = preset is None
        self._generator = Generator(checkpoint, first, self.decoding, min_length=min_length, early_stopping=early)
        settings = [str(self.decoding)]
        settings += [f"min_length={min_length}"] if min_length > 1 else []
        settings += ["early_stopping=False"] if not early and self.decoding.beam > 1 else []
        settings += [f"prompt={prompt!r}"] if prompt else []
        settings += [str(checkpoint.model.dtype).removeprefix("torch.")]
        self.id = f"{checkpoint.name}/{kind}({','.join(settings).removesuffix(',float32')})"

    concurrent = False  # torch already uses every core

    def save(self, folder: Path) -> None:
        """Writes a card that names the checkpoint, which is not copied.

        Raises:
            OutputError: The folder cannot be written to.
        """
        prompt = {} if self._prompt is None else {"prompt": self._prompt}
        write_part(folder, self._kind, {"model": self.model, **prompt, **self._asked.on_card()})

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order.

        Raises:
            ModelFailed: All hypotheses of a photo are blank.
        """
        if not photos:
            return []
        with torch_threads(self._threads), quiet():
            found = self._hypotheses(photos)
        return [self._caption(photo, hypotheses) for photo, hypotheses in zip(photos, found, strict=True)]

    def _hypotheses(self, photos: Sequence[Photo]) -> list[list[Generated]]:
        if (read := self._read) is None:
            return self._generator.generate(self._pixels(photos), seeds_of(photos))
        return self._generator.generate_from(lambda part: read(photos[part]), seeds_of(photos))

    def _pixels(self, photos: Sequence[Photo]) -> Tensor:
        """Float ``[N, 3, H, W]``, one photo at a time, as their sizes differ."""
        process, model = self._checkpoint.images, self._checkpoint.model
        made = [process(Image.fromarray(photo.pixels), return_tensors="pt")["pixel_values"] for photo in photos]
        return torch.cat(made).to(device=model.device, dtype=model.dtype)

    def _caption(self, photo: Photo, hypotheses: Sequence[Generated]) -> Caption:
        different: dict[str, Generated] = {}
        for hypothesis in hypotheses:
            text = self._checkpoint.tokenizer.decode(hypothesis.tokens.tolist(), skip_special_tokens=True)
            different.setdefault(" ".join(text.split()), hypothesis)  # several token sequences may spell one text
        different.pop("", None)
        if not different:
            raise ModelFailed("the captioner wrote nothing for this image", item=photo.source)
        nbest = [Hypothesis(text, hypothesis.logprob) for text, hypothesis in different.items()]
        if self.decoding.mbr:
            tokens = [hypothesis.tokens for hypothesis in different.values()]
            scores = expected_similarity(
                tokens, [hypothesis.logprob for hypothesis in nbest], self.decoding.length_penalty
            )
            nbest = [nbest[i] for i in np.argsort(-scores, kind="stable")]
        best = nbest[0]
        return Caption(best.text, best.logprob, tuple(best.text.split()), tuple(nbest[: self.decoding.nbest]))


def load_captioner(
    family: Family,
    model: str | None,
    options: CaptionOptions,
    prompt: str | None = None,
    translator: str | None = None,
    *,
    dtype: str = "float32",
) -> Captioner:
    """Loads a captioner of a family, which writes in the language of the options.

    Args:
        family: What kind of model it is.
        model: A short name of the family, a name on the Hugging Face hub or a folder; ``#PRESET`` after it chooses the
            settings of `imagist.captioning.pretrained.presets`. None is the family's first model. The folder of a
            saved captioner stands for the model and the prompt on its card.
        options: How to search, where, on how many threads, and in which language.
        prompt: What the caption continues, or what a chat model is asked; not part of the caption. None is the
            preset's, or the family's.
        translator: MarianMT model for ``options.language``; None takes the published one.
        dtype: Of the weights: ``float32``, ``bfloat16``.

    Raises:
        UnknownName: No such preset, or no translator into the language.
        UsageError: Captions may become longer than the model can write.
        ImagistError: Else as `imagist.bundle.checkpoints.load` raises.
    """
    into = translator_into(options, translator)
    if model and (Path(model) / CARD).is_file():
        card = open_part(model, "captioner").card
        model, prompt = str(card["model"]), card.get("prompt") if prompt is None else prompt
    model = model or next(iter(family.models))
    source, preset = parse_model(model, family.models)
    checkpoint = load(
        source, family.model_type, family.network, device=options.device, dtype=dtype, processor=family.processor
    )
    captioner = PretrainedCaptioner(
        family.name, checkpoint, family.start, options, preset, prompt, _absolute(model), family.prompt
    )
    return TranslatedCaptioner(captioner, into) if into else captioner


def _absolute(model: str) -> str:
    """The model with the path of its folder from the root, where it is a folder."""
    path, mark, preset = model.partition("#")
    return f"{Path(path).resolve()}{mark}{preset}" if Path(path).is_dir() else model
