"""`transformer`: a BERT-family encoder, its states pooled to one vector a text, a linear layer over that.

A saved classifier is a plain folder of transformers with the layer and a small card beside it.

Shapes: N texts; T tokens of the longest text of a batch; E width of hidden states; C classes; S places of an integral.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.arrays import AnyArray, Array
from imagist.bundle import fingerprint, open_part, write_part
from imagist.bundle.checkpoints import load as load_checkpoint
from imagist.bundle.checkpoints import model_folder
from imagist.errors import BundleError, UsageError
from imagist.protocols import PartOptions
from imagist.records import LabelSet

KIND = "transformer"
HEAD, WEIGHTS = "head.safetensors", "model.safetensors"
BATCH = 32  # texts that are read at a time
STEPS, AT_A_TIME = 64, 16  # places of an integral; how many of them are computed at a time
_WORD = re.compile(r"\S+")

Cut = dict[str, Any]  # one text as the network takes it: name of an input -> a number for each token


@dataclass(frozen=True)
class Reading:
    """How a text becomes one vector.

    Attributes:
        pooling: ``mean`` of the tokens' states, or the state of the first token, ``cls``.
        normalise: Make the vector 1 long, as sentence embeddings are compared.
        max_length: Most tokens, with those that every text begins and ends with; what is longer is cut.
    """

    pooling: Literal["cls", "mean"] = "mean"
    normalise: bool = False
    max_length: Annotated[int, Field(ge=3)] = 64


class Network(nn.Module):
    """The encoder and a layer over its pooled states.

    Args:
        encoder: A model of transformers that gives ``last_hidden_state``.
        classes: C.
        reading: How its states are pooled.
        dropout: Share of the pooled vector that the layer does not see in training.
    """

    def __init__(self, encoder: Any, classes: int, reading: Reading, dropout: float = 0.0) -> None:
        super().__init__()
        self.encoder, self.reading = encoder, reading
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(encoder.config.hidden_size, classes))

    @property
    def layer(self) -> nn.Linear:
        """The last layer."""
        layer: nn.Linear = self.head[1]  # type: ignore[assignment]
        return layer

    def pooled(self, given: Mapping[str, Tensor]) -> Tensor:
        """``[N, E]`` from what the encoder takes, each ``[N, T]`` (``inputs_embeds``: ``[N, T, E]``)."""
        states: Tensor = self.encoder(**given).last_hidden_state
        if self.reading.pooling == "cls":
            vectors = states[:, 0]
        else:
            mask = given["attention_mask"].unsqueeze(-1).to(states.dtype)
            vectors = (states * mask).sum(1) / mask.sum(1)
        return F.normalize(vectors, dim=-1) if self.reading.normalise else vectors

    def forward(self, given: Mapping[str, Tensor]) -> Tensor:
        """Logits ``[N, C]``."""
        logits: Tensor = self.head(self.pooled(given))
        return logits


class TransformerClassifier:
    """Implements `imagist.protocols.TextClassifier`.

    Args:
        network: In eval mode, on its device.
        tokenizer: Of transformers, one that tells where in the text a token stands.
        labels: The C names.
    """

    concurrent = False  # torch already uses every core

    def __init__(self, network: Network, tokenizer: Any, labels: LabelSet) -> None:
        self.network, self.tokenizer, self.labels = network, tokenizer, labels
        places = getattr(network.encoder.config, "max_position_embeddings", tokenizer.model_max_length)
        self._max_length = min(network.reading.max_length, places, tokenizer.model_max_length)

    def scores(self, texts: Sequence[str]) -> Array:
        """float32 ``[N, C]``, rows sum to 1; independent of what else is in the batch."""
        with torch.inference_mode():
            scores: Array = torch.softmax(self.network.layer(self._pooled(texts)).float(), -1).cpu().numpy()
        return scores

    def hidden(self, texts: Sequence[str]) -> Array:
        """What the last layer sees, float32 ``[N, E]``."""
        with torch.inference_mode():
            hidden: Array = self._pooled(texts).float().cpu().numpy()
        return hidden

    def attributions(self, texts: Sequence[str], targets: AnyArray) -> list[tuple[tuple[str, float], ...]]:
        """How much each word of each text speaks for a class: integrated gradients (Sundararajan et al. 2017).

        The integral of the gradient of the class's probability over the word embeddings, from the text with every word
        replaced by padding to the text itself; the pieces of a word are summed. The words of a text therefore sum to
        the difference of the probability between the two. Words beyond ``max_length`` count 0.

        Args:
            texts: N of them.
            targets: A class for each, ``[N]``.

        Returns:
            The words of each text, parted at blanks, in order, each with its share.
        """
        return [self._attributed(text, int(target)) for text, target in zip(texts, targets, strict=True)]

    def cut(self, texts: Sequence[str], **more: bool) -> list[Cut]:
        """Each text as tokens, not padded."""
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self._max_length, **more)
        return [{name: encoded[name][i] for name in encoded} for i in range(len(texts))]

    def padded(self, cut: Sequence[Cut]) -> dict[str, Tensor]:
        """Several texts as the network takes them, each ``[N, T]``, on its device."""
        fill = {"input_ids": self.tokenizer.pad_token_id}
        return {
            name: nn.utils.rnn.pad_sequence(
                [torch.tensor(one[name]) for one in cut], batch_first=True, padding_value=fill.get(name, 0)
            ).to(self.network.layer.weight.device)
            for name in cut[0]
        }

    @cached_property
    def id(self) -> str:
        """Changes with weights, labels and the way texts are read."""
        weights = (weight.cpu().numpy() for weight in self.network.state_dict().values())
        return f"{KIND}-{fingerprint(self.labels.names, self.network.reading, *weights)}"

    def save(self, folder: Path) -> None:
        """Writes encoder, tokenizer, last layer and card.

        Raises:
            OutputError: The folder cannot be written to.
        """
        encoder, layer = self.network.encoder, self.network.layer

        def fill(path: Path) -> None:
            encoder.config.save_pretrained(path)
            self.tokenizer.save_pretrained(path)
            save_file(encoder.state_dict(), path / WEIGHTS, {"format": "pt"})
            save_file({"weight": layer.weight.data, "bias": layer.bias.data}, path / HEAD)

        card = {"labels": list(self.labels), "model_type": encoder.config.model_type, **asdict(self.network.reading)}
        write_part(folder, KIND, card, fill)

    def _pooled(self, texts: Sequence[str]) -> Tensor:
        """``[N, E]``; texts of about the same length are read together, so that little of it is padding."""
        cut = self.cut(texts)
        order = sorted(range(len(cut)), key=lambda i: len(cut[i]["input_ids"]))
        found = self.network.layer.weight.new_zeros(len(cut), self.network.layer.in_features)
        for begin in range(0, len(order), BATCH):
            rows = order[begin : begin + BATCH]
            found[rows] = self.network.pooled(self.padded([cut[i] for i in rows])).to(found.dtype)
        return found

    def _attributed(self, text: str, target: int) -> tuple[tuple[str, float], ...]:
        words = [*_WORD.finditer(text)]
        shares = [0.0] * len(words)
        cut = self.cut([text], return_offsets_mapping=True, return_special_tokens_mask=True)[0]
        offsets, special = cut.pop("offset_mapping"), cut.pop("special_tokens_mask")
        attributed = self._integrated(self.padded([cut]), special, target)
        starts = [word.start() for word in words]
        for (_, end), frame, share in zip(offsets, special, attributed.tolist(), strict=True):
            if not frame:
                shares[max(0, bisect_right(starts, end - 1) - 1)] += share  # a piece may hold the blank before
        return tuple(zip((word[0] for word in words), shares, strict=True))

    def _integrated(self, given: dict[str, Tensor], special: Sequence[int], target: int) -> Tensor:
        """The share of each token ``[T]`` of one text, by Gauss-Legendre quadrature; 0 for special ones."""
        embed = self.network.encoder.get_input_embeddings()
        tokens = given.pop("input_ids")
        frame = torch.tensor([special], dtype=torch.bool, device=tokens.device)
        with torch.no_grad():
            base = embed(tokens.where(frame, self.tokenizer.pad_token_id))
            way = embed(tokens) - base  # [1, T, E]
        nodes, weights = (part / 2 for part in np.polynomial.legendre.leggauss(STEPS))
        mean = torch.zeros_like(way[0])
        for first in range(0, STEPS, AT_A_TIME):
            places, importance = (
                torch.from_numpy(part[first : first + AT_A_TIME]).to(way)[:, None, None]
                for part in (nodes + 0.5, weights)
            )
            points = (base + places * way).requires_grad_()
            others = {name: value.expand(len(points), -1) for name, value in given.items()}
            probabilities = torch.softmax(self.network({"inputs_embeds": points} | others), -1)[:, target]
            (slope,) = torch.autograd.grad(probabilities.sum(), points)
            mean += (slope * importance).sum(0)
        shares: Tensor = (mean * way[0]).sum(-1)
        return shares


def begin(
    model: str, labels: LabelSet, reading: Reading, *, device: str = "cpu", dropout: float = 0.0
) -> TransformerClassifier:
    """A classifier over a published encoder, its last layer not trained yet.

    Args:
        model: A name on the Hugging Face hub, a folder, or ``package:NAME/FOLDER``, which lies in an installed package.
        labels: The C names.
        reading: How texts become vectors.
        device: As torch names it.
        dropout: Before the last layer, in training.

    Raises:
        BundleNotFound: Neither a folder, nor in an installed package, nor a model on the hub.
        UsageError: The model is no encoder of the BERT family.
        ImagistError: Else as `imagist.bundle.checkpoints.load` raises.
    """
    checkpoint = load_checkpoint(model_folder(model), None, "AutoModel", device=device, images=False)
    config = checkpoint.model.config
    if config.is_encoder_decoder or not hasattr(config, "hidden_size") or checkpoint.tokenizer.pad_token_id is None:
        raise UsageError(
            f"a model of the kind {config.model_type} returns no states of tokens to pool",
            item=model,
            remedy="choose an encoder of the BERT family",
        )
    if getattr(checkpoint.model, "pooler", None) is not None:
        checkpoint.model.pooler.requires_grad_(False)  # never used: several processes would wait for its gradient
    network = Network(checkpoint.model, len(labels), reading, dropout).to(checkpoint.model.device).eval()
    return TransformerClassifier(network, checkpoint.tokenizer, labels)


def load(model: str, options: PartOptions) -> TransformerClassifier:
    """Loads a saved classifier, from its folder or a model.

    Raises:
        BundleError: A part of it is missing or damaged.
    """
    folder = open_part(model, "text_classifier")
    path, card = folder.checked(), folder.card
    labels = folder.labels
    reading = Reading(card["pooling"], card["normalise"], card["max_length"])
    checkpoint = load_checkpoint(str(path), str(card["model_type"]), "AutoModel", device=options.device, images=False)
    network = Network(checkpoint.model, len(labels), reading)
    try:
        network.layer.load_state_dict(load_file(path / HEAD))
    except (RuntimeError, OSError, SafetensorError) as error:
        raise BundleError("the last layer does not fit", item=str(path), remedy="save it again") from error
    return TransformerClassifier(network.to(checkpoint.model.device).eval(), checkpoint.tokenizer, labels)
