"""`interrogator`: captions with the phrases of tables that fit the image; see `imagist.captioning.interrogation`.

It opens

- a model with a captioner and a matcher, which then look for the phrases of the embedded table in the mode ``fast``;
- a ``.toml`` file with the settings of `InterrogatorFile`;
- the folder of a saved interrogator, in a model with its matcher.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from imagist import registry
from imagist.bundle import CARD, open_folder, open_part
from imagist.captioning.interrogation.interrogator import CAPTIONER, KIND, MAX_MEMORY, Interrogator
from imagist.captioning.interrogation.opening import Choice, open_interrogator, options_for
from imagist.captioning.interrogation.settings import InterrogationSettings, Mode
from imagist.captioning.loading import open_captioner
from imagist.captioning.options import CaptionOptions
from imagist.errors import BundleError, SettingError
from imagist.matching.opening import matcher_of
from imagist.matching.phrases import EMBEDDED, ROLES, PhraseTables


@dataclass(frozen=True)
class InterrogatorFile(InterrogationSettings):
    """The settings of an interrogator in a file, those of `InterrogationSettings` included.

    Attributes:
        model: A shipped model by name, or a model folder: captioner and matcher are its own where no kind is named.
        captioner: Kind of the captioner, such as ``blip``; None is the model's own.
        captioner_model: What that kind opens.
        matcher: Kind of the matcher, such as ``clip``; None is the model's own.
        matcher_model: What that kind opens.
        tables: Names of phrase tables; paths are relative to the file.
        max_memory: Most bytes of embeddings of phrases, and of products with them, in memory.
    """

    model: str = "embedded"
    captioner: str | None = None
    captioner_model: str | None = None
    matcher: str | None = None
    matcher_model: str | None = None
    tables: tuple[str, ...] = (EMBEDDED,)
    max_memory: int = MAX_MEMORY


def load(
    model: str,
    options: CaptionOptions,
    *,
    mode: Mode | None = None,
    tables: str | None = None,
    max_phrases: int | None = None,
    candidates: int | None = None,
    diversity: float | None = None,
    captioner: str | None = None,
    captioner_model: str | None = None,
    matcher: str | None = None,
    matcher_model: str | None = None,
    max_memory: int | None = None,
) -> Interrogator:
    """Opens an interrogator; the registry's loader.

    Args:
        model: See the module.
        options: How to caption; a decoding that is all default is the captioner's own.
        mode: See `InterrogationSettings`; each of these replaces the setting of a file.
        tables: Names of phrase tables, parted by commas.
        max_phrases: See `InterrogationSettings`.
        candidates: The same.
        diversity: The same.
        captioner: See `InterrogatorFile`.
        captioner_model: The same.
        matcher: The same.
        matcher_model: The same.
        max_memory: The same.

    Raises:
        UsageError: Settings at fault, or no such table.
        BundleError: A model cannot be used, or lacks a captioner or a matcher.
    """
    given = {
        "mode": mode, "max_phrases": max_phrases, "candidates": candidates, "diversity": diversity,
        "captioner": captioner, "captioner_model": captioner_model, "matcher": matcher,
        "matcher_model": matcher_model, "max_memory": max_memory,
        "tables": None if tables is None else tuple(name.strip() for name in tables.split(",")),
    }  # fmt: skip
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    path, options = Path(model), replace(options, settings={})
    if (path / CARD).is_file() and open_folder(path).card.get("kind") == KIND:
        if changes:
            raise SettingError(
                "a saved interrogator keeps its settings", item=", ".join(changes), remedy="leave it out"
            )
        return _saved(path, options)
    if path.suffix.lower() == ".toml" and path.is_file():
        return _opened(replace(_read(path), **changes), options)
    return _opened(InterrogatorFile(model=model, **changes), options)


def _read(path: Path) -> InterrogatorFile:
    from imagist import settings  # pydantic takes as long to import as all else that captioning needs

    asked = settings.read(path, InterrogatorFile)
    tables = (str(path.parent / name) if (path.parent / name).exists() else name for name in asked.tables)
    return replace(asked, tables=tuple(tables))


def _opened(asked: InterrogatorFile, options: CaptionOptions) -> Interrogator:
    return open_interrogator(
        asked.model,
        InterrogationSettings(**{each.name: getattr(asked, each.name) for each in fields(InterrogationSettings)}),
        options,
        captioner=_choice("captioner", asked.captioner, asked.captioner_model),
        matcher=_choice("matcher", asked.matcher, asked.matcher_model),
        tables=asked.tables,
        max_memory=asked.max_memory,
    )


def _choice(part: str, kind: str | None, model: str | None) -> Choice | None:
    """The kind and what it opens; a name alone is a model, or the kind with its default model."""
    if kind is None:
        return model
    model = model or registry.DEFAULT_MODELS[f"{part}s"].get(kind)
    return kind if model is None else (kind, model)


def _saved(path: Path, options: CaptionOptions) -> Interrogator:
    folder = open_part(path, "captioner")
    try:
        known = {
            each.name: folder.card[each.name] for each in fields(InterrogationSettings) if each.name in folder.card
        }
        asked = InterrogationSettings(**known)
    except (TypeError, SettingError) as error:
        raise BundleError(f"the card cannot be understood: {error}", item=str(path)) from error
    captioner = None
    if asked.begins_with_caption:
        own = open_part(path / CAPTIONER, "captioner")
        captioner = open_captioner(own.path, options_for(own, options))
    tables = {role: folder.lines(name) for role in ROLES if (name := f"{role}.txt") in folder.files}
    return Interrogator(captioner, matcher_of(folder, options), PhraseTables(tables), asked)
