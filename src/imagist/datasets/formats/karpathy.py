"""Karpathy's splits (``dataset_flickr8k.json``, ``dataset_flickr30k.json``, ``dataset_coco.json``).

Source: Karpathy and Fei-Fei 2015, "Deep visual-semantic alignments for generating image descriptions".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagist.datasets.entries import Entry, one_line
from imagist.datasets.faults import Faults
from imagist.datasets.source import ROW, SourceFile, Wanted


class Karpathy:
    """Images, each with its sentences and its split."""

    holds = frozenset({"captions"})
    columns = frozenset[str]()

    def recognises(self, file: SourceFile) -> bool:
        """Whether it is a JSON object with ``images``, one of which has ``sentences``."""
        images = file.document.get("images")
        return isinstance(images, list) and any(isinstance(each, Mapping) and "sentences" in each for each in images)

    def read(self, file: SourceFile, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
        """The images in order, named ``filepath/filename`` where there is a ``filepath`` (as for COCO).

        Their ``raw`` sentences are taken, not the ``tokens``, which have lost case and punctuation; images without a
        name and sentences without text are faults.
        """
        images = file.document.get("images")
        for i, image in enumerate(images if isinstance(images, list) else ()):
            place = f"images[{i}]"
            if not isinstance(image, Mapping) or not isinstance(image.get("filename"), str) or not image["filename"]:
                faults.add(ROW, f"{place} has no filename")
                continue
            folder, split = image.get("filepath"), image.get("split")
            name = f"{folder}/{image['filename']}" if folder else image["filename"]
            sentences = image.get("sentences") or []
            raw = [each.get("raw") if isinstance(each, Mapping) else None for each in sentences]
            captions = tuple(one_line(each) for each in raw if isinstance(each, str))
            if len(captions) < len(raw):
                faults.add(ROW, f"{place}, {name}, has a sentence without its raw text")
                continue
            yield Entry(place, name, captions, str(split) if split else None)
