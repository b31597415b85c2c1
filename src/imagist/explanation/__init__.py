"""Explains predictions: the words that decided, where the captioner attends to them, what changes without them."""

from __future__ import annotations

from imagist.explanation.deletion import Curve, deletions
from imagist.explanation.explain import explain
from imagist.explanation.faithfulness import Comparison, Faithfulness, faithfulness
from imagist.explanation.options import ExplainOptions
from imagist.explanation.record import Explanation, Region, Word

__all__ = [
    "Comparison",
    "Curve",
    "ExplainOptions",
    "Explanation",
    "Faithfulness",
    "Region",
    "Word",
    "deletions",
    "explain",
    "faithfulness",
]
