"""Explanations: category, the words that decided, where the captioner looked for them, what happens without them."""

from __future__ import annotations

from imagist.explain.deletion import Curve, deletions
from imagist.explain.explain import explain
from imagist.explain.faithfulness import Comparison, Faithfulness, faithfulness
from imagist.explain.options import ExplainOptions
from imagist.explain.record import Explanation, Region, Word

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
