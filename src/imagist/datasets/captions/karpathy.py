"""Karpathy's splits (``dataset_flickr8k.json``, ``dataset_flickr30k.json``, ``dataset_coco.json``).

Source: Karpathy and Fei-Fei 2015, "Deep visual-semantic alignments for generating image descriptions".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagist.datasets.captions.faults import Faults
from imagist.datasets.captions.lines import ROW
from imagist.datasets.captions.record import Entry, one_line


def is_karpathy(document: Mapping[str, object]) -> bool:
    """Whether a JSON document is laid out like this."""
    images = document.get("images")
    return isinstance(images, list) and any(isinstance(each, Mapping) and "sentences" in each for each in images)


def karpathy_entries(document: Mapping[str, object], faults: Faults) -> Iterator[Entry]:
    """The images in order, named ``filepath/filename`` where there is a ``filepath`` (as for COCO).

    Their ``raw`` sentences are taken, not the ``tokens``, which have lost case and punctuation; images without a name
    and sentences without text are faults.
    """
    images = document["images"]
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
