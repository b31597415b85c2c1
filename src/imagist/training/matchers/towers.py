"""The two towers of the embedded matcher, and the graphs of its folder.

Shapes: N images; L cells; E channels of the grid; C classes; M texts; T word pieces; P width of their embeddings; D
width of the towers' embeddings; D + C width of the matcher's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagist.matching.wordpiece import PAD
from imagist.training.matchers.recipe import ImageTower as ImageSettings
from imagist.training.matchers.recipe import TextTower as TextSettings

LEAST = 1e-6  # added to probabilities before a power is taken


class ImageTower(nn.Module):
    """Means of grids ``[N, E]`` and class probabilities ``[N, C]`` to rows of length 1, ``[N, D]``.

    An image begins where the vectors of its likeliest classes are; what the grid adds to that is learnt.

    Args:
        class_vectors: Of the classes' names, ``[C, D]``, from which training starts.
        channels: E.
        settings: Its sizes.
    """

    def __init__(self, class_vectors: Tensor, channels: int, settings: ImageSettings) -> None:
        super().__init__()
        classes, width = class_vectors.shape
        self.class_vectors = nn.Parameter(class_vectors.clone())
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, settings.hidden_size)
        self.from_classes = nn.Linear(classes, settings.hidden_size, bias=False)
        self.narrow = nn.Linear(settings.hidden_size, width)
        self.class_gain = nn.Parameter(torch.tensor(1.0))
        self.class_power = nn.Parameter(torch.tensor(0.7))
        self.dropout = nn.Dropout(settings.dropout)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)
        nn.init.normal_(self.from_classes.weight, std=0.02)

    def forward(self, means: Tensor, classes: Tensor) -> Tensor:
        """See the class."""
        shares = (classes + LEAST) ** self.class_power
        by_class = F.normalize(shares / shares.sum(1, keepdim=True) @ self.class_vectors, dim=1)
        hidden = self.widen(self.dropout(self.norm(means))) + self.from_classes(classes.clamp_min(1e-8).sqrt())
        learnt = self.narrow(self.dropout(F.gelu(hidden)))
        return F.normalize(self.class_gain * by_class + learnt, dim=1)


class TextLayer(nn.Module):
    """A layer of a transformer with norms first: ``[M, T, W]`` to the same (Xiong et al. 2020)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Attends to the pieces whose ``bias``, ``[M, 1, 1, T]``, is not very low."""
        parts = self.attend(self.attention_norm(x)).chunk(3, -1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        shares = torch.softmax(query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5 + bias, -1)
        x = x + self.out((shares @ value).transpose(1, 2).flatten(2))
        wider: Tensor = F.gelu(self.widen(self.norm(x)))
        found: Tensor = x + self.narrow(wider)
        return found


class TextReader(nn.Module):
    """The embeddings of word pieces, ``[M, T, P]``, to vectors and classes; all of `TextTower` but its table.

    Args:
        classes: C.
        width: D.
        settings: Its sizes.
    """

    def __init__(self, classes: int, width: int, settings: TextSettings) -> None:
        super().__init__()
        own, inner = settings.embedding_size, settings.width
        self.up = nn.Linear(own, inner)
        self.places = nn.Parameter(torch.randn(settings.max_tokens, inner) * 0.02)
        self.layers = nn.ModuleList(TextLayer(inner, settings.heads) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(inner)
        self.project = nn.Linear(inner, width)
        self.bag = nn.Linear(own, width, bias=False)
        self.affinity = nn.Linear(inner + own, classes + 1)
        nn.init.normal_(self.affinity.weight, std=0.02)

    def forward(self, embedded: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reads texts of which ``mask``, ``[M, T]``, is 1 at pieces and 0 at padding; returns what `TextTower` does."""
        x = self.up(embedded) + self.places[: embedded.shape[1]]
        bias = ((1 - mask) * -1e4)[:, None, None]
        for layer in self.layers:
            x = layer(x, bias)
        weight = mask[..., None]
        total = weight.sum(1)
        read, bag = (self.norm(x) * weight).sum(1) / total, (embedded * weight).sum(1) / total
        found = self.affinity(torch.cat([read, bag], 1))
        return self.project(read) + self.bag(bag), found[:, :-1], found[:, -1]


class TextTower(nn.Module):
    """Word pieces to vectors of the teacher, and to the classes that their nouns mean.

    Args:
        pieces: Word pieces of the vocabulary.
        classes: C.
        width: D.
        settings: Its sizes.
    """

    def __init__(self, pieces: int, classes: int, width: int, settings: TextSettings) -> None:
        super().__init__()
        self.embedding = nn.Embedding(pieces, settings.embedding_size)
        self.reader = TextReader(classes, width, settings)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reads word pieces int64 ``[M, T]``, padded with 0.

        Returns:
            Vectors of any length, ``[M, D]``; logits of the classes, ``[M, C]``; a logit of how sure they are, ``[M]``.
        """
        found: tuple[Tensor, Tensor, Tensor] = self.reader(self.embedding(ids), (ids != PAD).float())
        return found


class ImageGraph(nn.Module):
    """``image.onnx``: grids ``[N, L, E]`` and class probabilities ``[N, C]`` to rows of length 1, ``[N, D + C]``."""

    def __init__(self, tower: ImageTower, class_weight: float) -> None:
        super().__init__()
        self.tower, self.class_weight = tower.eval(), class_weight

    def forward(self, grid: Tensor, classes: Tensor) -> Tensor:
        """See the class."""
        return _joined(self.tower(grid.mean(1), classes), self.class_weight * F.normalize(classes, dim=1))


class TextGraph(nn.Module):
    """``text.onnx``: word pieces and their mask to rows of length 1, ``[M, D + C]``.

    The table of pieces is kept as 8-bit integers with a step a row; the error is at most half a step, 1/254 of the
    largest number of the row. Of the rotation its difference from the identity is kept: beside a diagonal of ones the
    other numbers would be less than such a step.

    Args:
        tower: Trained; its own table is left out.
        rotation: Of the tower's vectors into the space of the image tower, ``[D, D]``.
        settings: Its ``class_weight`` and ``norm_power``.
    """

    def __init__(self, tower: TextTower, rotation: nn.Linear, settings: TextSettings) -> None:
        super().__init__()
        table = tower.embedding.weight.detach()
        steps = table.abs().amax(1).clamp_min(1e-9) / 127
        self.pieces: Tensor
        self.steps: Tensor
        self.register_buffer("pieces", torch.round(table / steps[:, None]).to(torch.int8))
        self.register_buffer("steps", steps.half())
        self.reader = tower.reader.eval()
        self.turn = nn.Linear(rotation.in_features, rotation.out_features, bias=False)
        self.turn.weight.data = rotation.weight.detach() - torch.eye(rotation.in_features)
        self.class_weight, self.norm_power = settings.class_weight, settings.norm_power

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Reads ids int64 ``[M, T]``, padded with 0, and a mask float32 ``[M, T]``."""
        embedded = self.pieces[ids].float() * self.steps[ids].float()[..., None]
        vectors, affinity, sure = self.reader(embedded, mask)
        vectors = F.normalize(vectors, dim=1)
        learnt = F.normalize(vectors + self.turn(vectors), dim=1)
        classes = torch.softmax(affinity, 1)
        classes = classes / classes.norm(dim=1, keepdim=True).clamp_min(LEAST) ** self.norm_power
        return _joined(learnt, self.class_weight * torch.sigmoid(sure)[:, None] * classes)


def _joined(learnt: Tensor, classes: Tensor) -> Tensor:
    return F.normalize(torch.cat([learnt, classes], 1), dim=1)
