"""Captions in more words: the phrases of tables that fit the image by image-text similarity.

The modes are those of clip-interrogator (https://github.com/pharmapsychotic/clip-interrogator). What differs:
``docs/interrogation.md``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from imagist.bundle import ENCODER, SPACE, open_folder, write_part
from imagist.captioning.decoding import FIELDS as DECODING
from imagist.captioning.interrogation.modes import Modes, roles_of
from imagist.captioning.interrogation.record import Interrogation
from imagist.captioning.interrogation.settings import InterrogationSettings
from imagist.errors import UsageError
from imagist.matching.phrase_embeddings import Advance, phrase_embeddings
from imagist.matching.phrase_search import PhraseIndex
from imagist.matching.phrases import ROLES, PhraseTables
from imagist.protocols import Captioner, Matcher
from imagist.records import Caption, Photo

KIND = "interrogator"
CAPTIONER = "captioner"
"""The folder of the captioner within that of a saved interrogator."""

MAX_MEMORY = 1 << 30  # bytes


class Interrogator:
    """Implements `imagist.protocols.Captioner`: the text of an interrogation is its caption.

    Args:
        captioner: Writes the captions that texts begin with; may be None for ``tags`` and ``negative``.
        matcher: Compares images with phrases and texts.
        tables: The phrases.
        settings: Mode and numbers of phrases.
        cache: Folder of the phrases' embeddings; None is the user's, see `imagist.matching.phrase_embeddings`.
        max_memory: Most bytes of embeddings of phrases, and of products with them, in memory.

    Raises:
        UsageError: The mode needs a captioner, or phrases that the tables do not have.
    """

    def __init__(
        self,
        captioner: Captioner | None,
        matcher: Matcher,
        tables: PhraseTables,
        settings: InterrogationSettings | None = None,
        *,
        cache: Path | None = None,
        max_memory: int = MAX_MEMORY,
    ) -> None:
        self.settings = settings or InterrogationSettings()
        self.captioner, self.matcher, self.tables = captioner, matcher, tables
        self.encoder = getattr(captioner, "encoder", None)
        if captioner is None and self.settings.begins_with_caption:
            raise UsageError(f"the mode {self.settings.mode} begins with a caption", remedy="name a captioner")
        if not any(tables.of(role) for role in roles_of(self.settings.mode)):
            raise UsageError(f"the tables have no phrases for the mode {self.settings.mode}", remedy="name others")
        self._cache, self._max_memory = cache, max_memory
        self._opened: Modes | None = None
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """Changes with captioner, matcher, phrases and settings."""
        caption = f",{self.captioner.id}" if self.captioner and self.settings.begins_with_caption else ""
        return f"{KIND}({self.settings},tables={self.tables.id},{self.matcher.id}{caption})"

    @property
    def concurrent(self) -> bool:
        """Whether several threads may call it at once: where captioner and matcher allow it."""
        return self.matcher.concurrent and (self.captioner is None or self.captioner.concurrent)

    def prepare(self, advance: Advance | None = None) -> None:
        """Embeds the phrases, unless their embeddings are on disk; else the first image does.

        Args:
            advance: Receives the number of phrases that were embedded since the last call.

        Raises:
            OutputError: The folder of embeddings cannot be written to.
        """
        self._modes(advance)

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """The texts of `interrogate` as captions, one a photo, in order."""
        return [found.as_caption() for found in self.interrogate(photos)]

    def interrogate(self, photos: Sequence[Photo]) -> list[Interrogation]:
        """One interrogation a photo, in order, independent of the other photos."""
        if not photos:
            return []
        captions: Sequence[Caption | None] = [None] * len(photos)
        if self.captioner and self.settings.begins_with_caption:
            captions = self.captioner.caption(photos)
        return self._modes().interrogate(self.matcher.images(photos), captions)

    def save(self, folder: Path) -> None:
        """Writes the phrases, the captioner and a card; matcher and encoder are parts of the model for themselves.

        Raises:
            OutputError: The folder cannot be written to.
        """
        card = self.settings.on_card()

        def fill(draft: Path) -> None:
            for role in ROLES:
                if phrases := self.tables.of(role):
                    (draft / f"{role}.txt").write_text("".join(f"{phrase}\n" for phrase in phrases), "utf-8")
            if self.captioner:
                self.captioner.save(draft / CAPTIONER)
                own = open_folder(draft / CAPTIONER).card
                card.update({name: own[name] for name in (*DECODING, ENCODER, SPACE) if name in own})

        write_part(folder, KIND, card, fill)

    def _modes(self, advance: Advance | None = None) -> Modes:
        """The modes over the embeddings of the phrases, which are embedded by the first call."""
        with self._lock:
            if self._opened is None:
                known = {role: some for role in roles_of(self.settings.mode) if (some := self.tables.of(role))}
                found = {
                    role: phrase_embeddings(self.matcher, some, self._cache, advance) for role, some in known.items()
                }
                self._opened = Modes(self.matcher, PhraseIndex(known, found, self._max_memory), self.settings)
            return self._opened
