"""Additive attention of many captions at once, forward and backward in blocks that fit into the CPU's cache.

Shapes: N images, L cells, H state, A attention, W width of a cell's value; m captions that have not ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from imagist.training.networks.decoder import Tensors
from imagist.training.networks.packing import Steps
from imagist.training.networks.sharing import Parts, SharedLinear, lowered, raised, together

IN_CACHE = 1 << 18  # numbers in a block on a CPU


class AdditiveAttention:
    """Additive attention of the captions that have not ended, over the grids of their images (Bahdanau et al. 2015).

    Args:
        query: From H to A.
        energy: From A to 1.
        gate: From H to W, multiplied with the context; None for no gate.
        memory: From `AttentionDecoder.begin`.
        steps: The captions.
    """

    def __init__(
        self, query: nn.Linear, energy: nn.Linear, gate: nn.Linear | None, memory: Tensors, steps: Steps
    ) -> None:
        self._steps, self._values = steps, lowered(memory["values"])
        self._energy = energy.weight[0]
        scale = self._energy.detach()
        self._keys, self._parts = together(raised(memory["keys"]), lambda parts: parts[0][0] * scale)
        self._query = SharedLinear(query.weight)
        self._gate = None if gate is None else (SharedLinear(gate.weight), gate.bias)

    def __call__(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """Context ``[m, W]`` and attention ``[m, L]`` of states ``[m, H]``."""
        places, images = (x[: len(state)] for x in (self._steps.places, self._steps.images))
        query = raised(self._query(state))
        energy = _Energy.apply(self._keys, query, self._energy, images, self._parts)
        attention = torch.softmax(energy, -1)
        # with all captions of an image, also ended ones: cheaper than a copy of the values for each caption
        wide = attention.new_zeros(len(self._steps.places), attention.shape[1]).index_copy(0, places, attention)
        context = (wide.view(len(self._values), -1, wide.shape[1]) @ self._values).flatten(0, 1).index_select(0, places)
        if self._gate is None:
            return context, attention
        product, bias = self._gate
        return torch.sigmoid(product(state) + bias) * context, attention


class _Energy(torch.autograd.Function):
    """``weight @ tanh(keys + query)``: ``[m, L]`` of ``[N, L, A]``, ``[m, A]``, ``[A]``; ``[m]`` is each row's image.

    The backward pass computes the tanh again: in the cache that takes less time than to store and load it. The
    gradient of the keys, without the factor ``weight``, is accumulated in ``parts``.
    """

    @staticmethod
    def forward(ctx: Any, keys: Tensor, query: Tensor, weight: Tensor, images: Tensor, parts: Parts) -> Tensor:
        ctx.save_for_backward(keys, query, weight, images)
        ctx.parts = parts
        energies = query.new_empty(len(query), keys.shape[1])
        with torch.autocast(keys.device.type, enabled=False):
            for some, compared in _compared(keys, query, images):
                torch.matmul(compared, weight, out=energies[some])
        return energies

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor, Tensor, None, None]:
        keys, query, weight, images = ctx.saved_tensors
        if not ctx.parts:
            ctx.parts.append((torch.zeros_like(keys),))
        of_query, of_weight = torch.empty_like(query), torch.zeros_like(weight)
        for some, compared in _compared(keys, query, images):
            of_weight.addmv_(compared.flatten(0, 1).T, gradient[some].flatten())
            compared.mul_(compared).neg_().add_(1).mul_(gradient[some][..., None])
            torch.sum(compared, 1, out=of_query[some])
            ctx.parts[0][0].index_add_(0, images[some], compared)
        return None, of_query.mul_(weight), of_weight, None, None


def _compared(keys: Tensor, query: Tensor, images: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """``tanh(keys + query)`` of some rows at a time, ``[.., L, A]``, in a buffer that the caller may overwrite."""
    rows = max(1, IN_CACHE // keys[0].numel()) if keys.device.type == "cpu" else len(query)
    room = keys.new_empty(min(rows, len(query)), *keys.shape[1:])
    for start in range(0, len(query), rows):
        some = slice(start, min(start + rows, len(query)))
        compared = torch.index_select(keys, 0, images[some], out=room[: some.stop - start])
        yield some, compared.add_(query[some, None]).tanh_()
