"""Published captioners: write captions with the `generate` method of transformers.

Importing anything from here needs the torch extra.
"""

from __future__ import annotations

import imagist.bundle.checkpoints  # noqa: F401  (raises MissingExtra where torch or transformers is not installed)
