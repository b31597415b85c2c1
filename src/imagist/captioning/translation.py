"""Translates captions with a published MarianMT model (Junczys-Dowmunt et al. 2018; OPUS-MT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from imagist.bundle.checkpoints import load, quiet
from imagist.captioning.options import CaptionOptions
from imagist.errors import ModelFailed, UnknownName, UsageError
from imagist.protocols import Captioner
from imagist.records import Caption, Hypothesis, Photo

# models that translate from English, by target language
MODELS: Mapping[str, str] = {
    "cs": "Helsinki-NLP/opus-mt-en-cs",
    "de": "Helsinki-NLP/opus-mt-en-de",
    "fr": "Helsinki-NLP/opus-mt-en-fr",
}
SOURCE = "en"


class Translator:
    """Translates sentences with the model's own generation settings.

    Args:
        model: A folder written by ``save_pretrained``, or a name on the Hugging Face hub.
        device: ``cpu``, ``cuda``, ``mps``.
        batch_size: Most sentences at a time, >= 1.

    Raises:
        ImagistError: As `imagist.bundle.checkpoints.load` raises; the tokenizer needs sentencepiece.
    """

    def __init__(self, model: str, device: str = "cpu", *, batch_size: int = 32) -> None:
        self._checkpoint = load(model, "marian", "MarianMTModel", device=device, images=False)
        self._batch_size = batch_size
        self.id = f"{self._checkpoint.name}/marian"

    def translate(self, texts: Sequence[str]) -> list[str]:
        """Translates each sentence, in order and independent of the others; a blank one stays blank.

        Raises:
            ModelFailed: A translation is empty.
        """
        distinct = sorted({text for text in texts if text.strip()}, key=lambda text: (len(text), text))
        known: dict[str, str] = {}
        for begin in range(0, len(distinct), self._batch_size):
            batch = distinct[begin : begin + self._batch_size]
            known |= dict(zip(batch, self._batch(batch), strict=True))
        for text, translation in known.items():
            if not translation:
                raise ModelFailed("the translation is empty", item=text)
        return [known.get(text, "") for text in texts]

    def _batch(self, texts: list[str]) -> list[str]:
        """Translates sentences of about the same length, padded at their ends and masked there."""
        model, tokenizer = self._checkpoint.model, self._checkpoint.tokenizer
        inputs = tokenizer(texts, return_tensors="pt", padding=True, truncation=True).to(model.device)
        with quiet():
            found = model.generate(**inputs, do_sample=False)
        return [" ".join(text.split()) for text in tokenizer.batch_decode(found, skip_special_tokens=True)]


class TranslatedCaptioner:
    """A captioner in another language; implements `imagist.protocols.Captioner`.

    Log-probabilities are those of the captions before translation. Attention is left out, as its maps belong to the
    words before translation.
    """

    def __init__(self, captioner: Captioner, translator: Translator) -> None:
        self._captioner, self._translator = captioner, translator
        self.id = f"{captioner.id}+{translator.id}"

    concurrent = False

    def save(self, folder: Path) -> None:
        """Not possible: a translated captioner is made from two models whenever it is opened.

        Raises:
            UsageError: Always.
        """
        raise UsageError("a translated captioner cannot be saved", item=self.id, remedy="save the captioner alone")

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """One caption a photo, in order; of hypotheses with the same translation the first is kept."""
        captions = self._captioner.caption(photos)
        texts = list(dict.fromkeys(text for caption in captions for text in _texts(caption)))
        known = dict(zip(texts, self._translator.translate(texts), strict=True))
        return [_translated(caption, known) for caption in captions]


def _texts(caption: Caption) -> list[str]:
    return [caption.text, *(hypothesis.text for hypothesis in caption.nbest)]


def _translated(caption: Caption, known: Mapping[str, str]) -> Caption:
    text = known[caption.text]
    logprobs: dict[str, float] = {}
    for hypothesis in caption.nbest:
        logprobs.setdefault(known[hypothesis.text], hypothesis.logprob)
    nbest = tuple(Hypothesis(*pair) for pair in logprobs.items())
    return replace(caption, text=text, tokens=tuple(text.split()), nbest=nbest, attention=None)


def translator_into(options: CaptionOptions, model: str | None = None) -> Translator | None:
    """The translator from English into the language of the options; None where that is English or not asked for.

    Args:
        options: The language, and the device to run on.
        model: The MarianMT model; None takes the published one for the language.

    Raises:
        UnknownName: No model translates into that language; the remedy lists the languages.
        ImagistError: As `Translator` raises.
    """
    language = options.language
    if language is None or language == SOURCE:
        return None
    if model is None and language not in MODELS:
        raise UnknownName(
            "captions cannot be written in this language",
            item=language,
            remedy=f"one of {', '.join(sorted({SOURCE, *MODELS}))}",
        )
    return Translator(model or MODELS[language], options.device)
