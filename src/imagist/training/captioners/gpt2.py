"""Language models for `prefix-gpt2`: a small GPT-2 with random weights, or a published one with its BPE tokens.

Shapes: V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from imagist.arrays import Ints
from imagist.captioning.decoding import END, START
from imagist.captioning.vocabulary import BpeTokens, special
from imagist.errors import BundleError, DataError, MissingExtra, UsageError
from imagist.training.captioners.vocabulary import until


def small_gpt2(
    words: int, *, width: int = 256, layers: int = 4, heads: int = 4, positions: int = 64, dropout: float = 0.1
) -> Any:
    """A ``GPT2LMHeadModel`` with random weights over a word vocabulary with our `START` and `END`.

    Args:
        words: V.
        width: Of its layers.
        layers: Number of layers.
        heads: Attention heads, a divisor of ``width``.
        positions: Maximum number of tokens, prefix and caption together.
        dropout: On embeddings, attention and residual branches; 0 to 1.

    Raises:
        UsageError: ``heads`` does not divide ``width``.
        MissingExtra: transformers is not installed.
    """
    if width % heads:
        raise UsageError(f"{heads} heads cannot share a width of {width}", item="heads", remedy="a divisor of it")
    transformers = _transformers()
    config = transformers.GPT2Config(
        vocab_size=words,
        n_positions=positions,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        bos_token_id=START,
        eos_token_id=END,
    )
    return transformers.GPT2LMHeadModel(config)


class BpeVocabulary:
    """The BPE tokens of a published tokenizer: a `imagist.training.captioners.vocabulary.Vocabulary`.

    Args:
        tokenizer: Of transformers; a byte-level BPE.
        words: V of the language model, which may exceed the tokenizer's.
        start: Id of the start of captions.
        end: Id of their end.
        language: ISO 639-1 code of the captions.

    Raises:
        BundleError: The tokenizer is not a byte-level BPE.
    """

    tokens = "bpe"
    unknown: int | None = None

    def __init__(self, tokenizer: Any, words: int, *, start: int, end: int, language: str = "en") -> None:
        special_ids = {start, *tokenizer.all_special_ids}
        known = tokenizer.convert_ids_to_tokens(list(range(min(words, len(tokenizer)))))
        lines = [special(str(i)) if token is None or i in special_ids else str(token) for i, token in enumerate(known)]
        lines += [special(str(i)) for i in range(len(lines), words)]  # ids without a token
        self.lines = tuple(lines)
        self.end = end
        self.starts: Mapping[str, int] = {language: start}
        self.suppressed_tokens = tuple(i for i, line in enumerate(lines) if line == special(str(i)) and i != end)
        self._tokenizer = tokenizer
        self._decoder = BpeTokens(self.lines)

    def encode(self, text: str, max_length: int, language: str | None = None) -> Ints:
        """Encodes a caption as int64 ``[max_length + 2]``: start, tokens, end, padding. A text has no special token.

        Raises:
            DataError: The vocabulary is for another language.
        """
        if language is not None and language not in self.starts:
            raise DataError(
                "this vocabulary has no start for this language", item=language, remedy="train a vocabulary of words"
            )
        (start,) = self.starts.values()
        ids = np.full(max_length + 2, self.end, np.int64)
        tokens = self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)[:max_length]
        ids[: len(tokens) + 1] = [start, *tokens]
        return ids

    def decode(self, ids: Sequence[int] | Ints) -> str:
        """Decodes the ids after the start, up to the first end."""
        return self._decoder.text(until(ids, self.end))


@dataclass(frozen=True, eq=False)
class Published:
    """A published language model and its tokenizer.

    Attributes:
        name: Includes the commit or a digest of the files, so that equal names mean equal weights.
        model: A ``GPT2LMHeadModel``, float32, on the CPU.
        vocabulary: Its tokens.
    """

    name: str
    model: Any
    vocabulary: BpeVocabulary


def published(name: str, *, end: str | None = None, language: str = "en") -> Published:
    """Loads a GPT-2 from the Hugging Face hub, such as ``openai-community/gpt2``, or from a folder.

    Args:
        name: Name on the hub, or a folder written by ``save_pretrained``.
        end: One token that ends captions, instead of the model's ``<|endoftext|>``. A frozen model was trained to
            continue after a sentence; a full stop, ``.``, is more probable.
        language: ISO 639-1 code of the captions.

    Raises:
        MissingExtra: transformers is not installed.
        BundleNotFound: There is no such folder, and the hub has no such model.
        BundleError: The model is incomplete, its weights are not in safetensors, or its tokenizer is no byte-level BPE.
        UsageError: The model is no GPT-2, or the end is not one token.
    """
    _transformers()
    from imagist.bundle.checkpoints import load

    found = load(name, "gpt2", "GPT2LMHeadModel", images=False)
    config, tokenizer = found.model.config, found.tokenizer
    start, stop = config.bos_token_id, config.eos_token_id
    if end is not None:
        tokens = tokenizer.encode(end, add_special_tokens=False, split_special_tokens=True)
        if len(tokens) != 1:
            raise UsageError(
                f"the end must be one token, not {len(tokens)}", item=repr(end), remedy="use one such as ."
            )
        stop = tokens[0]
    if start is None or stop is None:
        raise BundleError(
            "its configuration lacks a start or an end", item=name, remedy="set bos_token_id and eos_token_id"
        )
    words = int(config.vocab_size)
    vocabulary = BpeVocabulary(tokenizer, words, start=int(start), end=int(stop), language=language)
    return Published(found.name, found.model, vocabulary)


def _transformers() -> Any:
    try:
        return import_module("transformers")
    except ImportError as error:
        raise MissingExtra("GPT-2 needs transformers", remedy="pip install 'imagist[torch]'") from error
