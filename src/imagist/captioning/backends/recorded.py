"""`recorded`: captions that were written before, by any captioner or by people, read from a table.

A CSV, TSV, JSONL or Parquet file as ``imagist caption --out`` and ``imagist classify --out`` write it. Of its columns
it needs ``source`` and ``caption``; ``caption_logprob``, ``nbest``, ``error_kind`` and ``error_message`` are used where
they are there.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from imagist.bundle import CARD, open_part, write_part
from imagist.captioning.options import CaptionOptions
from imagist.datasets.faults import Faults
from imagist.errors import ManifestError, ModelFailed, UsageError
from imagist.images.addresses import is_url
from imagist.images.formats import has_image_suffix
from imagist.images.tables import Table, columns, is_table, open_table
from imagist.records import Caption, Hypothesis, Photo
from imagist.storage import sha256_of

KIND = "recorded"
NEEDED = ("source", "caption")

_ROUNDING = 1e-3  # a log-probability so little above 0 is 0
_NAMED = 3  # sources that a message names


class RecordedCaptioner:
    """Implements `imagist.protocols.Captioner` over captions by source.

    A photo's record is the one of its whole source; where there is none, of its file name; where there is none, of that
    without the suffix of an image. Of photos in archives and tables (``x.tar#a/b.jpg``) the name is the member's.

    Args:
        id: Names the records.
        captions: By source.
        failed: For sources that were recorded as failures: why.
        table: The file that they were read from; without it the captioner cannot be saved.
    """

    concurrent = True

    def __init__(
        self,
        id: str,
        captions: Mapping[str, Caption],
        failed: Mapping[str, str] | None = None,
        table: Path | None = None,
    ) -> None:
        self.id = id
        self._table = table
        self._records: dict[str, Caption | str] = {**(failed or {}), **captions}
        self._named = [(how, _indexed(self._records, how)) for how in (_name, _stem)]

    def save(self, folder: Path) -> None:
        """Copies the table into a folder.

        Raises:
            UsageError: The captions were read from no file.
        """
        if self._table is None:
            raise UsageError("captions that were read from no file cannot be saved", item=self.id)
        table = self._table
        write_part(folder, KIND, {"table": table.name}, lambda path: shutil.copyfile(table, path / table.name))

    def caption(self, photos: Sequence[Photo]) -> list[Caption]:
        """The recorded captions, in order; their attention was not recorded.

        Raises:
            ModelFailed: A photo has no record, several that differ, or that of a failure.
        """
        return [self._find(photo.source) for photo in photos]

    def _find(self, source: str) -> Caption:
        record = self._records.get(source)
        for how, sources in self._named:
            if record is None:
                record = self._agreed(source, sources.get(how(source), []))
        if record is None:
            raise ModelFailed("no caption of it was recorded", item=source, remedy="caption it first")
        if isinstance(record, str):
            raise ModelFailed(f"recorded as a failure: {record}", item=source)
        return record

    def _agreed(self, source: str, candidates: list[str]) -> Caption | str | None:
        """The record of all candidates, where they agree."""
        records = [self._records[candidate] for candidate in candidates]
        if len({record.text if isinstance(record, Caption) else None for record in records}) > 1:
            listed = ", ".join(candidates[:_NAMED]) + (", ..." if len(candidates) > _NAMED else "")
            raise ModelFailed(
                f"{len(candidates)} records of other sources could be meant: {listed}",
                item=source,
                remedy="name the images as they are named in the records",
            )
        return records[0] if records else None


def _indexed(sources: Mapping[str, object], how: Callable[[str], str]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for source in sources:
        if name := how(source):
            index.setdefault(name, []).append(source)
    return index


def _name(source: str) -> str:
    """The file name at the end of a path, an address or ``archive#member``; a row's number is no name."""
    path = urlsplit(source).path if is_url(source) else source
    name = re.split(r"[/\\]", path)[-1]
    container, _, member = name.rpartition("#")
    return name if not container or member.isdecimal() else member


def _stem(source: str) -> str:
    name = _name(source)
    return name.rpartition(".")[0] if has_image_suffix(name) else name


def load(model: str, options: CaptionOptions) -> RecordedCaptioner:
    """Opens a table of recorded captions; the registry's loader.

    Args:
        model: The file, or the folder of a saved captioner.
        options: Of these, ``decoding.nbest`` bounds the n-best that come along; all else was decided when the captions
            were written, so also their language.

    Raises:
        ManifestError: The file cannot be read, or lacks a column.
        DataError: Rows are at fault, all of them at once.
    """
    path = Path(model)
    if (path / CARD).is_file():
        folder = open_part(model, "captioner")
        path = folder.checked() / folder.card["table"]
    if not is_table(path):
        raise ManifestError(
            "is no table of captions", item=model, remedy="name a .csv, .tsv, .jsonl or .parquet as imagist writes it"
        )
    table = open_table(path)
    if missing := [f"column {name!r}" for name in NEEDED if name not in table.columns]:
        raise ManifestError(
            columns.lacking(missing, table.columns),
            item=model,
            remedy="write it with imagist caption --out, or rename its columns",
        )
    captions, failed = _read(table, options.decoding.nbest)
    name = f"{path.stem}-{sha256_of(path)[:8]}/recorded(nbest={options.decoding.nbest})"
    return RecordedCaptioner(name, captions, failed, path)


def _read(table: Table, nbest: int) -> tuple[dict[str, Caption], dict[str, str]]:
    faults = Faults()
    captions: dict[str, Caption] = {}
    failed: dict[str, str] = {}
    for row in table.rows():
        source = row.cells.get("source")
        if row.problem is not None:
            faults.add("unreadable row", row.problem)
        elif not isinstance(source, str) or not source:
            faults.add("row without a source", row.place)
        elif isinstance(kind := row.cells.get("error_kind"), str) and kind:
            failed[source] = f"{kind}: {row.cells.get('error_message') or 'without a message'}"
        else:
            try:
                caption = _caption(row.cells, nbest)
            except (ValueError, RecursionError) as error:
                faults.add("unusable caption", f"{row.place}: {source}: {error}")
                continue
            if captions.setdefault(source, caption).text != caption.text:
                faults.add("source with several captions", f"{row.place}: {source}")
    faults.raise_any(item=str(table.path), remedy="correct what is named")
    return captions, failed


def _caption(cells: Mapping[str, object], nbest: int) -> Caption:
    tokens = _tokens(cells.get("caption"))
    logprob = _logprob(cells.get("caption_logprob"))
    best = tuple(_hypotheses(cells.get("nbest"))) or (Hypothesis(" ".join(tokens), logprob),)
    if best[0].text != " ".join(tokens):
        raise ValueError("its n-best do not begin with it")
    return Caption(best[0].text, best[0].logprob if math.isnan(logprob) else logprob, tokens, best[:nbest])


def _tokens(cell: object) -> tuple[str, ...]:
    if cell is not None and not isinstance(cell, str):
        raise ValueError(f"{type(cell).__name__} is no caption")
    if not (tokens := tuple((cell or "").split())):
        raise ValueError("the caption is empty")
    return tokens


def _logprob(cell: object) -> float:
    """NaN where nothing is recorded."""
    try:
        value = math.nan if cell in (None, "") else float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"its log-probability is no number: {cell!r}") from None
    if value > _ROUNDING:
        raise ValueError(f"its log-probability is above 0: {value}")
    return value


def _hypotheses(cell: object) -> Iterator[Hypothesis]:
    items = json.loads(cell) if isinstance(cell, str) and cell else cell or []
    if not isinstance(items, list):
        raise ValueError("its n-best are no list")
    for item in items:
        if not isinstance(item, Mapping):
            raise ValueError('its n-best are no objects of "text" and "logprob"')
        yield Hypothesis(" ".join(_tokens(item.get("text"))), _logprob(item.get("logprob")))
