"""Explanations for people: a sheet for each image, one page for all, and how far to trust them."""

from __future__ import annotations

from imagist.report.explanation.faithful import faithfulness_lines
from imagist.report.explanation.page import ExplanationPage
from imagist.report.explanation.sentences import explanation_lines, summary_lines
from imagist.report.explanation.sheet import explanation_sheet

__all__ = ["ExplanationPage", "explanation_lines", "explanation_sheet", "faithfulness_lines", "summary_lines"]
