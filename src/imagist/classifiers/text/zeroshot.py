"""`zeroshot`: no training; a text belongs to the label whose description it resembles most as a sentence embedding.

Such a classifier is a linear layer over unit vectors whose rows are those of the descriptions (Radford et al. 2021,
section 3.1.2), so that the class that runs it is the transformer's.

Shapes: C labels; E width of embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from imagist.arrays import Array
from imagist.errors import UsageError
from imagist.records import LabelSet

TEMPLATE = "a photo of {label}"


def sentences(
    labels: LabelSet, descriptions: Mapping[str, Sequence[str]], template: str = TEMPLATE
) -> list[tuple[str, ...]]:
    """What describes each of the C labels.

    Args:
        labels: The C names.
        descriptions: Sentences about some of them.
        template: The sentence about any other, with ``{label}`` in the place of its name.

    Raises:
        UsageError: Descriptions of what is no label, a label with none, or a template without a place for the name.
    """
    unknown = sorted(set(descriptions) - set(labels))
    if unknown:
        raise UsageError(
            f"descriptions of what is no label: {', '.join(unknown)}", remedy=f"the labels are {', '.join(labels)}"
        )
    empty = sorted(label for label, told in descriptions.items() if not any(told))
    if empty:
        raise UsageError(f"no sentence describes {', '.join(empty)}", remedy="give one, or leave the label out")
    if "{label}" not in template:
        raise UsageError("names no place for the label", item="template", remedy=f"such as {TEMPLATE!r}")
    return [tuple(descriptions.get(label, ())) or (template.replace("{label}", label),) for label in labels]


def label_vectors(embed: Callable[[Sequence[str]], Array], described: Sequence[Sequence[str]]) -> Array:
    """The mean of the embeddings of each label's sentences, 1 long again: float32 ``[C, E]``.

    Args:
        embed: Sentences to float32 ``[N, E]``, each 1 long.
        described: The sentences about each of the C labels, as `sentences` gives them.
    """
    means = np.stack([embed(list(told)).mean(0) for told in described])
    vectors: Array = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return vectors
