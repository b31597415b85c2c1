"""What an interrogation of an image is."""

from __future__ import annotations

from dataclasses import dataclass

from imagist.captioning.interrogation.settings import Mode
from imagist.records import Caption, Hypothesis, Phrase
from imagist.records.flat import shortest


@dataclass(frozen=True, eq=False)
class Interrogation:
    """The interrogation of one image.

    Attributes:
        text: The caption and the phrases after it; without a caption the phrases alone.
        phrases: Those in the text, in order.
        caption: The caption; None for modes without one.
        mode: How it was made.
        similarity: The cosine between the image and the text, -1..1; None where it was not computed.
    """

    text: str
    phrases: tuple[Phrase, ...]
    caption: Caption | None
    mode: Mode
    similarity: float | None = None

    def as_caption(self) -> Caption:
        """The text as a caption; its log-probability is that of the caption it begins with, 0 without one.

        Its n-best are those of that caption, with the same phrases. It has no attention, which belongs to the words of
        that caption alone.
        """
        tokens = tuple(self.text.split())
        logprob, others = 0.0, []
        if self.caption:
            ending = self.text.removeprefix(self.caption.text)
            logprob = self.caption.logprob
            others = [Hypothesis(each.text + ending, each.logprob) for each in self.caption.nbest]
        nbest = tuple(others or [Hypothesis(self.text, logprob)])
        return Caption(self.text, logprob, tokens, nbest, phrases=self.phrases, similarity=self.similarity)

    def fields(self) -> dict[str, object]:
        """``INTERROGATION_FIELDS`` of a record; see `imagist.records.flat`."""
        return {
            "caption": self.caption.text if self.caption else None,
            "caption_logprob": shortest(self.caption.logprob) if self.caption else None,
            "interrogation": self.text,
            "similarity": None if self.similarity is None else shortest(self.similarity),
            "phrases": [phrase.to_dict() for phrase in self.phrases],
        }
