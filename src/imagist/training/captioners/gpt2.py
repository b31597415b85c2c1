"""Language models for `prefix-gpt2`: a small GPT-2 that knows nothing yet, or a published one with its own BPE tokens.

Shapes: V words or BPE tokens, T tokens of a sentence.
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
    words: int, *, width: int = 256, layers: int = 4, heads: int = 4, places: int = 64, dropout: float = 0.1
) -> Any:
    """A ``GPT2LMHeadModel`` with random weights over words of our own; `START` and `END` begin and end a sentence.

    Args:
        words: V.
        width: Of its layers.
        layers: How many.
        heads: A divisor of ``width``.
        places: Most tokens of a prefix and a sentence together.
        dropout: On embeddings, attention and branches; 0 to 1.

    Raises:
        UsageError: ``heads`` does not divide ``width``.
        MissingExtra: transformers is not installed.
    """
    if width % heads:
        raise UsageError(f"{heads} heads cannot share a width of {width}", item="heads", remedy="a divisor of it")
    transformers = _transformers()
    config = transformers.GPT2Config(
        vocab_size=words,
        n_positions=places,
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
    """The BPE tokens of a published tokenizer: an `imagist.training.captioners.vocabulary.Vocabulary`.

    Args:
        tokenizer: Of transformers; a byte-level BPE.
        words: V of the language model, which may be more than the tokenizer knows.
        start: Stands before every sentence.
        end: Ends a sentence.
        language: ISO 639-1 code of what it is to write.

    Raises:
        BundleError: The tokenizer's tokens are not bytes.
    """

    tokens = "bpe"
    unknown: int | None = None

    def __init__(self, tokenizer: Any, words: int, *, start: int, end: int, language: str = "en") -> None:
        silent = {start, *tokenizer.all_special_ids}
        known = tokenizer.convert_ids_to_tokens(list(range(min(words, len(tokenizer)))))
        lines = [special(str(i)) if token is None or i in silent else str(token) for i, token in enumerate(known)]
        lines += [special(str(i)) for i in range(len(lines), words)]  # ids without a token
        self.lines = tuple(lines)
        self.end = end
        self.starts: Mapping[str, int] = {language: start}
        self.banned = tuple(i for i, line in enumerate(lines) if line == special(str(i)) and i != end)
        self._tokenizer = tokenizer
        self._tokens = BpeTokens(self.lines)

    def encode(self, text: str, max_length: int, language: str | None = None) -> Ints:
        """A sentence to int64 ``[max_length + 2]``: start, tokens, end and padding. No token of a text is special.

        Raises:
            DataError: The vocabulary writes another language.
        """
        if language is not None and language not in self.starts:
            raise DataError(
                "these tokens have no start for this language", item=language, remedy="train words of your own"
            )
        (start,) = self.starts.values()
        ids = np.full(max_length + 2, self.end, np.int64)
        tokens = self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)[:max_length]
        ids[: len(tokens) + 1] = [start, *tokens]
        return ids

    def decode(self, ids: Sequence[int] | Ints) -> str:
        """Ids after the start, up to the first end, to a sentence."""
        return self._tokens.text(until(ids, self.end))


@dataclass(frozen=True, eq=False)
class Published:
    """A language model that somebody trained, and how it cuts sentences.

    Attributes:
        name: With the commit or the contents that it was loaded from: equal names, equal weights.
        model: A ``GPT2LMHeadModel``, float32, on the CPU.
        vocabulary: Its tokens.
    """

    name: str
    model: Any
    vocabulary: BpeVocabulary


def published(name: str, *, end: str | None = None, language: str = "en") -> Published:
    """A GPT-2 from the Hugging Face hub, such as ``openai-community/gpt2``, or from a folder.

    Args:
        name: Of the hub, or a folder written by ``save_pretrained``.
        end: Another end of a sentence than the model's own ``<|endoftext|>``, one token. A frozen model was taught to
            go on after a sentence, and says a full stop, ``.``, more readily.
        language: ISO 639-1 code of what it is to write.

    Raises:
        MissingExtra: transformers is not installed.
        BundleNotFound: Neither a folder nor a model that the hub gave.
        BundleError: It lacks something; its weights are not safetensors, or no GPT-2's; its tokenizer's tokens are not
            bytes.
        UsageError: The model is none of GPT-2's kind; the end is not one token.
    """
    _transformers()
    from imagist.captioning.pretrained.loading import load

    found = load(name, "gpt2", "GPT2LMHeadModel", images=False)
    config, tokenizer = found.model.config, found.tokenizer
    start, stop = config.bos_token_id, config.eos_token_id
    if end is not None:
        tokens = tokenizer.encode(end, add_special_tokens=False, split_special_tokens=True)
        if len(tokens) != 1:
            raise UsageError(
                f"the end of a sentence is one token, and this is {len(tokens)}", item=repr(end), remedy="such as ."
            )
        stop = tokens[0]
    if start is None or stop is None:
        raise BundleError(
            "its configuration names no start or no end", item=name, remedy="set bos_token_id and eos_token_id"
        )
    words = int(config.vocab_size)
    vocabulary = BpeVocabulary(tokenizer, words, start=int(start), end=int(stop), language=language)
    return Published(found.name, found.model, vocabulary)


def _transformers() -> Any:
    try:
        return import_module("transformers")
    except ImportError as error:
        raise MissingExtra("GPT-2 needs transformers", remedy="pip install 'imagist[torch]'") from error
