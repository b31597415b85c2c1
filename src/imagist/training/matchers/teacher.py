"""The sentence encoder that teaches the towers, with what it computed on disk.

Shapes: M texts; D width of its vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagist.arrays import Array, Halves
from imagist.classifiers.text.transformer import Reading, TransformerClassifier, begin
from imagist.errors import UsageError
from imagist.records import LabelSet
from imagist.storage import digest_of
from imagist.training.encoders.row_cache import RowCache, fill

BATCH = 256  # texts that are read together
MAX_LENGTH = 64  # tokens that the teacher reads of a text
_SPECIAL = ("[PAD]", "[UNK]")  # in the order of `imagist.matching.wordpiece.PAD` and ``UNKNOWN``
_UNUSED = ("[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True, eq=False)
class Teacher:
    """A sentence encoder.

    Attributes:
        name: As the recipe names it.
        network: Embeds texts.
        folder: Of what it computed.
    """

    name: str
    network: TransformerClassifier
    folder: Path

    def vectors(self, texts: Sequence[str], what: str) -> Halves:
        """Rows of length 1, float16 ``[M, D]``, computed once for these texts.

        Args:
            texts: M of them; those of about the same length best follow each other.
            what: They are, for the lines of progress.
        """
        key = digest_of(self.name, MAX_LENGTH, texts)

        def compute(start: int, end: int) -> Array:
            return self.network.hidden(texts[start:end])

        return fill(self._rows(key, len(texts)), compute, what, BATCH)

    def _rows(self, key: str, count: int) -> RowCache:
        width = int(self.network.network.layer.in_features)
        return RowCache(self.folder / f"teacher-{key}.npy", (count, width))

    @property
    def pieces(self) -> list[str]:
        """The word pieces of its vocabulary in the order of their ids, ``[PAD]`` and ``[UNK]`` first.

        Raises:
            UsageError: Its vocabulary is not of BERT's lower-case word pieces.
        """
        known: dict[str, int] = self.network.tokenizer.get_vocab()
        if not {*_SPECIAL} <= known.keys() or any(piece.startswith("##") and piece != piece.lower() for piece in known):
            raise UsageError("has no lower-case word pieces", item=self.name, remedy="name a teacher such as MiniLM")
        others = [p for p in sorted(known, key=lambda p: known[p]) if p not in (*_SPECIAL, *_UNUSED)]
        return [*_SPECIAL, *(piece for piece in others if not piece.startswith("[unused"))]


def open_teacher(name: str, folder: Path, device: str) -> Teacher:
    """Opens a sentence encoder.

    Args:
        name: On the Hugging Face hub, a folder, or ``package:NAME/FOLDER``.
        folder: Receives what it computes.
        device: As torch names it.

    Raises:
        ImagistError: As `imagist.classifiers.text.transformer.begin`.
    """
    reading = Reading(normalise=True, max_length=MAX_LENGTH)
    return Teacher(name, begin(name, LabelSet(("text",)), reading, device=device), folder)
