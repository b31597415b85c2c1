"""The captioner that all pretrained models share: photos to pixels, one search, words to text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from imagist.captioning.decoding import Decoding, Sentence, generate, seeds_of
from imagist.captioning.options import CaptionOptions
from imagist.captioning.pretrained.loading import Checkpoint, load
from imagist.captioning.pretrained.presets import Preset, named
from imagist.captioning.pretrained.words import Beams, LanguageModel, Vocabulary
from imagist.errors import ModelFailed, UsageError
from imagist.records import Caption, Hypothesis, Photo


@dataclass(frozen=True, eq=False)
class Opening:
    """How a model begins a caption.

    Attributes:
        model: Having the words before the caption in it.
        before: How many words those are.
        start: The last of them.
        ends: The word that ends a caption, or several.
        size: V, of the logits.
        room: Most words that the model has places for, with those before the caption; None where it has no bound.
    """

    model: LanguageModel
    before: int
    start: int
    ends: int | list[int]
    size: int
    room: int | None = None


@dataclass(frozen=True)
class Family:
    """Published models of one kind.

    Attributes:
        name: Of their captioner.
        model_type: What their configurations name.
        network: The transformers class to make.
        models: Short names of those on the hub.
        opening: How they begin a caption, given the prompt.
    """

    name: str
    model_type: str
    network: str
    models: Mapping[str, str]
    opening: Callable[[Checkpoint, str], Opening]


class PretrainedCaptioner:
    """Implements `imagist.protocols.Captioner` over a checkpoint.

    Args:
        kind: The captioner's name.
        checkpoint: The model.
        opening: How it begins, given the prompt.
        options: How to search, and on how many threads; a preset goes before its decoding.
        preset: Settings by name; None searches as the options say.
        prompt: What the caption continues; not part of it. None is the preset's, or none.

    Raises:
        UsageError: Captions may become longer than the model can write.
    """

    def __init__(
        self,
        kind: str,
        checkpoint: Checkpoint,
        opening: Callable[[Checkpoint, str], Opening],
        options: CaptionOptions,
        preset: Preset | None = None,
        prompt: str | None = None,
    ) -> None:
        prompt = (preset.prompt if preset else "") if prompt is None else prompt.strip()
        begun = opening(checkpoint, prompt)
        shortest = preset.fewest(begun.before) if preset else 1
        self.decoding: Decoding = preset.decoding(options.decoding, begun.before) if preset else options.decoding
        if begun.room is not None and begun.before + self.decoding.max_length > begun.room:
            raise UsageError(
                f"{self.decoding.max_length} words are more than this model can write",
                item="max_length",
                remedy=f"at most {begun.room - begun.before}",
            )
        self._vocabulary = Vocabulary(
            checkpoint.tokenizer, begun.size, start=begun.start, ends=begun.ends, shortest=shortest
        )
        self._checkpoint, self._model, self._threads = checkpoint, begun.model, options.threads
        told = f"{self.decoding}" + (f",shortest={shortest}" if shortest > 1 else "")
        told += f",prompt={prompt!r}" if prompt else ""
        precision = str(checkpoint.model.dtype).removeprefix("torch.")
        told += f",{precision}" if precision != "float32" else ""
        self.id = f"{checkpoint.name}/{kind}({told})"

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order.

        Raises:
            ModelFailed: All that the model says of a photo is blank.
        """
        if not photos:
            return []
        with _threads(self._threads):
            beams = Beams(self._model, self._vocabulary, self._pixels(photos), self.decoding.beam)
            found = generate(beams, len(photos), self.decoding, seeds_of(photos))
        return [self._caption(photo, sentences) for photo, sentences in zip(photos, found, strict=True)]

    def _pixels(self, photos: Sequence[Photo]) -> Tensor:
        """Float ``[N, 3, H, W]``, each photo for itself: they come in all sizes."""
        images = self._checkpoint.images
        made = [images(Image.fromarray(p.pixels), return_tensors="pt")["pixel_values"] for p in photos]
        model = self._checkpoint.model
        return torch.cat(made).to(device=model.device, dtype=model.dtype)

    def _caption(self, photo: Photo, sentences: list[Sentence]) -> Caption:
        said: dict[str, float] = {}
        for sentence in sentences:
            text = self._vocabulary.text(sentence.words)
            if text:
                said.setdefault(text, sentence.logprob)  # other pieces may spell the same words
        if not said:
            raise ModelFailed("the captioner said nothing of this image", item=photo.source)
        nbest = tuple(Hypothesis(text, logprob) for text, logprob in said.items())
        return Caption(nbest[0].text, nbest[0].logprob, tuple(nbest[0].text.split()), nbest)


def load_captioner(
    family: Family, model: str, options: CaptionOptions, prompt: str | None = None, *, dtype: str = "float32"
) -> PretrainedCaptioner:
    """The captioner of a model that may have a short name, and a preset behind it.

    Args:
        family: What kind of model it is.
        model: As `imagist.captioning.pretrained.presets.named` takes it.
        options: How to search, where, and on how many threads; `imagist.captioning.translation` handles its language.
        prompt: What the caption continues; not part of it. None is the preset's, or none.
        dtype: Of the weights: ``float32``, ``bfloat16``.

    Raises:
        UnknownName: No such preset.
        UsageError: Captions may become longer than the model can write.
        ImagistError: Else as `imagist.captioning.pretrained.loading.load` says.
    """
    source, preset = named(model, family.models)
    checkpoint = load(source, family.model_type, family.network, device=options.device, dtype=dtype)
    return PretrainedCaptioner(family.name, checkpoint, family.opening, options, preset, prompt)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """So many threads within an operator, for as long as this lasts."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
