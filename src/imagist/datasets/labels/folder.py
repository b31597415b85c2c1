"""A folder for each class (ImageFolder), or split folders with those in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from imagist.datasets.captions.faults import Faults
from imagist.datasets.labels.example import Labelled
from imagist.datasets.labels.source import Source
from imagist.images.sources import rows

SPLITS = frozenset({"train", "dev", "val", "validation", "test"})


def folder_labelled(source: Source, content: bool, faults: Faults) -> Iterator[Labelled]:
    """The images, sorted by name; the class is the first folder, or the second where the first are all splits.

    Folders below a class folder say nothing; what begins with a dot is left out. Images outside class folders, and
    class folders beside split folders, are faults. A folder called ``train`` with images right in it is a class: of
    trains, say.
    """
    paths = []
    for row in rows([str(source.path)]):
        parts = Path(row.source).relative_to(source.path).parts
        if row.error is not None:
            faults.add("unreadable folder", str(row.error))
        elif not any(part.startswith(".") for part in parts):
            paths.append(parts)
    mixed = {parts[0] for parts in paths if len(parts) < 3}  # hold images themselves, and so are no splits
    tops = {parts[0] for parts in paths if len(parts) > 1}
    splits = (tops & SPLITS) - mixed
    for parts in paths:
        image = str(Path(*parts))
        depth = 1 if parts[0] in splits else 0
        if splits and parts[0] not in splits and len(parts) > 1:
            faults.add("class folder beside split folders", f"{image}, beside {', '.join(sorted(splits))}")
        elif len(parts) < depth + 2:
            faults.add("image outside class folders", image)
        else:
            yield Labelled(image, image, (), parts[0] if splits else None, label=parts[depth])
