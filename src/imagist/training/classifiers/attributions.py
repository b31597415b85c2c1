"""Which words decided, of any text classifier: what each one's own ``attributions`` can be held against."""

from __future__ import annotations

from imagist.texts.tfidf import leave_one_out

__all__ = ["leave_one_out"]
