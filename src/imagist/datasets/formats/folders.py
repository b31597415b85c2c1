"""A folder for each class (ImageFolder), or split folders with those in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from imagist.datasets.entries import Entry
from imagist.datasets.faults import Faults
from imagist.datasets.source import SourceFile, Wanted
from imagist.errors import DataError
from imagist.images.sources import rows

SPLITS = frozenset({"train", "dev", "val", "validation", "test"})


class Folders:
    """Images in class folders; what begins with a dot is left out."""

    holds = frozenset({"labels"})
    columns = frozenset[str]()

    def recognises(self, file: SourceFile) -> bool:
        """Whether it is a folder."""
        return file.is_folder

    def read(self, file: SourceFile, wanted: Wanted, faults: Faults) -> Iterator[Entry]:
        """The images, sorted by name; the class is the first folder, or the second where the first are all splits.

        Folders below a class folder make no difference. Images outside class folders, and class folders next to split
        folders, are faults. A folder called ``train`` with images right in it is a class: of trains, say.

        Raises:
            DataError: It is no folder.
        """
        if not file.is_folder:
            raise DataError("a file, not a folder of class folders", item=str(file.path))
        paths = []
        for row in rows([str(file.source.path)]):
            parts = Path(row.source).relative_to(file.path).parts
            if row.error is not None:
                faults.add("unreadable folder", str(row.error))
            elif not any(part.startswith(".") for part in parts):
                paths.append(parts)
        yield from _labelled(paths, faults)


def _labelled(paths: Sequence[tuple[str, ...]], faults: Faults) -> Iterator[Entry]:
    mixed = {parts[0] for parts in paths if len(parts) < 3}  # hold images themselves, and so are no splits
    tops = {parts[0] for parts in paths if len(parts) > 1}
    splits = (tops & SPLITS) - mixed
    for parts in paths:
        image = str(Path(*parts))
        depth = 1 if parts[0] in splits else 0
        if splits and parts[0] not in splits and len(parts) > 1:
            faults.add("class folder next to split folders", f"{image}, next to {', '.join(sorted(splits))}")
        elif len(parts) < depth + 2:
            faults.add("image outside class folders", image)
        else:
            yield Entry(image, image, split=parts[0] if splits else None, label=parts[depth])
