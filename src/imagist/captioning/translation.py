"""Captions in other languages: sentences through a published MarianMT model (Junczys-Dowmunt et al. 2018; OPUS-MT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from imagist.captioning.options import CaptionOptions
from imagist.captioning.pretrained.loading import load
from imagist.errors import ModelFailed, UnknownName
from imagist.protocols import Captioner
from imagist.records import Caption, Hypothesis, Photo

# what English sentences are translated with, by the language wanted
MODELS: Mapping[str, str] = {
    "cs": "Helsinki-NLP/opus-mt-en-cs",
    "de": "Helsinki-NLP/opus-mt-en-de",
    "fr": "Helsinki-NLP/opus-mt-en-fr",
}
SOURCE = "en"


class Translator:
    """Translates sentences, searching as the model's own generation settings say.

    Args:
        model: A folder written by ``save_pretrained``, or a name on the Hugging Face hub.
        device: ``cpu``, ``cuda``, ``mps``.
        batch_size: Most sentences at a time, >= 1.

    Raises:
        ImagistError: As `imagist.captioning.pretrained.loading.load` says; the tokenizer needs sentencepiece.
    """

    def __init__(self, model: str, device: str = "cpu", *, batch_size: int = 32) -> None:
        self._checkpoint = load(model, "marian", "MarianMTModel", device=device, images=False)
        self._batch_size = batch_size
        self.id = f"{self._checkpoint.name}/marian"

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Each sentence in the other language, in order, independent of the others; a blank one stays blank.

        Raises:
            ModelFailed: The model has nothing to say for a sentence.
        """
        distinct = sorted({text for text in texts if text.strip()}, key=lambda text: (len(text), text))
        known: dict[str, str] = {}
        for begin in range(0, len(distinct), self._batch_size):
            batch = distinct[begin : begin + self._batch_size]
            known |= dict(zip(batch, self._batch(batch), strict=True))
        for text, said in known.items():
            if not said:
                raise ModelFailed("the translation is empty", item=text)
        return [known.get(text, "") for text in texts]

    def _batch(self, texts: list[str]) -> list[str]:
        """Sentences of about the same length, padded at their ends and masked there."""
        model, tokenizer = self._checkpoint.model, self._checkpoint.tokenizer
        given = tokenizer(texts, return_tensors="pt", padding=True, truncation=True).to(model.device)
        found = model.generate(**given, do_sample=False)
        return [" ".join(text.split()) for text in tokenizer.batch_decode(found, skip_special_tokens=True)]


class TranslatedCaptioner:
    """A captioner in another language; implements `imagist.protocols.Captioner`.

    Log-probabilities are those of the sentences before translation; there is no attention, as its maps belong to the
    words of those.
    """

    def __init__(self, captioner: Captioner, translator: Translator) -> None:
        self._captioner, self._translator = captioner, translator
        self.id = f"{captioner.id}+{translator.id}"

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order; of n-best that become the same sentence the first is kept."""
        captions = self._captioner.caption(photos)
        texts = list(dict.fromkeys(text for caption in captions for text in _texts(caption)))
        known = dict(zip(texts, self._translator.translate(texts), strict=True))
        return [_translated(caption, known) for caption in captions]


def _texts(caption: Caption) -> list[str]:
    return [caption.text, *(hypothesis.text for hypothesis in caption.nbest)]


def _translated(caption: Caption, known: Mapping[str, str]) -> Caption:
    text = known[caption.text]
    said: dict[str, float] = {}
    for hypothesis in caption.nbest:
        said.setdefault(known[hypothesis.text], hypothesis.logprob)
    nbest = tuple(Hypothesis(*pair) for pair in said.items())
    return replace(caption, text=text, tokens=tuple(text.split()), nbest=nbest, attention=None)


def translator_into(options: CaptionOptions, model: str | None = None) -> Translator | None:
    """What turns English sentences into the language of the options; None where that is English or not asked for.

    Args:
        options: The language, and the device to run on.
        model: The MarianMT model; None takes the published one for the language.

    Raises:
        UnknownName: No translator into that language is known; the remedy lists those that are.
        ImagistError: As `Translator` says.
    """
    language = options.language
    if language is None or language == SOURCE:
        return None
    if model is None and language not in MODELS:
        raise UnknownName(
            "captions cannot be had in this language",
            item=language,
            remedy=f"one of {', '.join(sorted({SOURCE, *MODELS}))}",
        )
    return Translator(model or MODELS[language], options.device)
