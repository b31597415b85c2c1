"""The pipeline or the captioner that the options of a command ask for."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagist import registry
from imagist.bundle import is_bundle
from imagist.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from imagist.bundle import Folder
    from imagist.captioning.interrogation.interrogator import Interrogator
    from imagist.captioning.interrogation.settings import InterrogationSettings
    from imagist.captioning.options import CaptionOptions
    from imagist.pipeline import Pipeline, Swap
    from imagist.protocols import Captioner, EncoderPool


def pipeline_of(args: argparse.Namespace, **more: Any) -> Pipeline:
    """The pipeline that the options of `add_model`, `add_parts`, `add_categories` and `add_speed` ask for.

    Args:
        args: The parsed options.
        more: Further arguments of `imagist.pipeline.load`.

    Raises:
        BundleError: The model or a part cannot be used.
        UsageError: A setting is out of its range, or a name is unknown.
    """
    from imagist import pipeline

    opened = pipeline.load(
        args.model,
        taxonomy=args.taxonomy,
        captioner=captioner_swap(args),
        captioner_settings=captioner_settings(args),
        text_classifier=part_swap("text_classifiers", args.text_classifier),
        image_classifier=part_swap("image_classifiers", args.image_classifier),
        fusion=part_swap("fusions", args.fusion),
        matcher=matcher_swap(args),
        labels=args.labels,
        encoder=args.encoder,
        views=args.views,
        weight=args.weight,
        beam=args.beam,
        threads=args.threads,
        device=args.device,
        **more,
    )
    prepare(getattr(opened, "captioner", None), quiet=getattr(args, "quiet", True))
    return opened


def captioner_of(args: argparse.Namespace, nbest: int, encoders: EncoderPool | None = None) -> tuple[Captioner, int]:
    """The captioner that the options ask for, and how many batches it takes at the same time.

    Args:
        args: Parsed options of `add_captioner`, `add_speed` and those that name the model.
        nbest: Hypotheses that it returns for an image.
        encoders: Shares them with other parts.

    Raises:
        BundleError: The model cannot be used.
        UsageError: A setting is out of its range, or a name is unknown.
    """
    from imagist.bundle import open_part
    from imagist.captioning.loading import card_threads, cores, open_captioner

    swap = captioner_swap(args)
    kind, model = swap if isinstance(swap, tuple) else (None, swap or args.model)
    folder = None if kind else open_part(model, "captioner")
    options, used = _caption_options(args, folder, kind, nbest), args.threads or cores()
    options = replace(options, encoders=encoders)
    if folder:
        options = replace(options, threads=card_threads(folder, used))
    captioner = open_captioner(model, options, kind=kind, cache=args.cache)
    prepare(captioner, quiet=args.quiet)
    return captioner, used if captioner.concurrent and (folder or kind == "interrogator") else 1


def interrogator_of(args: argparse.Namespace, settings: InterrogationSettings) -> tuple[Interrogator, int]:
    """The interrogator that the options ask for, its phrases embedded, and how many batches it takes at a time.

    Args:
        args: Parsed options of `add_captioner`, `add_matcher`, `add_speed` and of ``imagist interrogate``.
        settings: Mode and numbers of phrases.

    Raises:
        BundleError: A model cannot be used.
        UsageError: A setting is out of its range, or a name is unknown.
    """
    from imagist.bundle import open_part
    from imagist.captioning.interrogation.opening import open_interrogator
    from imagist.captioning.loading import cores

    captioner = captioner_swap(args)
    kind = captioner[0] if isinstance(captioner, tuple) else None
    own = kind is None and settings.begins_with_caption
    folder = open_part(captioner or args.model, "captioner") if own else None  # type: ignore[arg-type]
    found = open_interrogator(
        args.model,
        settings,
        _caption_options(args, folder, kind, 1),
        captioner=captioner,
        matcher=matcher_swap(args),
        tables=args.table or ["embedded"],
        captions=args.cache,
        max_memory=args.max_memory,
    )
    prepare(found, quiet=args.quiet)
    return found, (args.threads or cores()) if found.concurrent else 1


def matched(args: argparse.Namespace, captioner: Captioner, concurrency: int) -> tuple[Captioner, int]:
    """The captioner with the scores, or in the order, of the matcher that the options ask for.

    Raises:
        BundleError: The matcher cannot be used.
    """
    from imagist.captioning.interrogation.opening import matcher_for
    from imagist.captioning.reranking.matcher import MatchedCaptioner

    found = matcher_for(args.model, matcher_swap(args), _caption_options(args, None, None, 1))
    made = MatchedCaptioner(captioner, found, rerank=args.match == "rerank", nbest=args.nbest)
    return made, concurrency if made.concurrent else 1


def prepare(part: object, *, quiet: bool) -> None:
    """Embeds the phrases of an interrogator, with progress on stderr; does nothing for any other part."""
    from imagist.captioning.cache import CachedCaptioner
    from imagist.captioning.interrogation.interrogator import Interrogator
    from imagist.engine.progress import Meter

    part = part.captioner if isinstance(part, CachedCaptioner) else part
    if not isinstance(part, Interrogator):
        return
    with ExitStack() as stack:
        meters: list[Meter] = []

        def advance(count: int) -> None:
            if not meters:
                meters.append(stack.enter_context(Meter(len(part.tables), quiet=quiet, unit="phrases")))
            meters[0].advance(count)

        part.prepare(advance)


def _caption_options(args: argparse.Namespace, folder: Folder | None, kind: str | None, nbest: int) -> CaptionOptions:
    """The options of a captioner: what was asked for, over the card of its folder, or over the kind's own."""
    from imagist.captioning.loading import card_decoding, cores, default_decoding
    from imagist.captioning.options import CaptionOptions

    search = card_decoding(folder) if folder else default_decoding(kind)
    names = ("mbr", "no_repeat_ngram_size", "top_p", "temperature", "seed")
    asked = {name: value for name in names if (value := getattr(args, name)) is not None}
    decoding = replace(search.returning(nbest, args.beam), **asked)
    used = args.threads or cores()
    return CaptionOptions(
        decoding,
        language=args.lang,
        settings=captioner_settings(args),
        device=args.device,
        threads=used,
        encoder=args.encoder,
    )


def captioner_swap(args: argparse.Namespace) -> Swap | None:
    """The captioner that replaces the model's own, as `kind_swap` finds it."""
    return kind_swap("captioner", args.captioner, args.captioner_model, "blip")


def captioner_settings(args: argparse.Namespace) -> dict[str, str]:
    """The settings of the captioner's kind that ``--captioner-setting`` names.

    Raises:
        UsageError: One without a value.
    """
    found = {}
    for text in args.captioner_setting:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError("needs a value", item=f"--captioner-setting {text}", remedy=f"write {text}=VALUE")
        found[name.strip()] = value.strip()
    return found


def matcher_swap(args: argparse.Namespace) -> Swap | None:
    """The matcher that replaces the model's own, as `kind_swap` finds it."""
    return kind_swap("matcher", args.matcher, args.matcher_model, "clip")


def kind_swap(part: str, asked: str | None, model: str | None, example: str) -> Swap | None:
    """The part that replaces the model's own: a kind and its model, or a folder; None where none is asked for.

    Args:
        part: ``captioner`` or ``matcher``.
        asked: The value of the option of this name.
        model: The value of that option with ``-model``.
        example: A kind of such a part.

    Raises:
        UsageError: A kind without a model that has no default, a model without a kind, or neither a kind nor a folder.
    """
    kinds = registry.names(f"{part}s")
    if asked is None:
        if model is not None:
            raise UsageError(f"--{part}-model needs a kind", remedy=f"name it with --{part}, such as {example}")
        return None
    if model is not None:
        return asked, model
    if asked in kinds and not (Path(asked).is_dir() or is_bundle(asked)):
        if default := registry.DEFAULT_MODELS[f"{part}s"].get(asked):
            return asked, default
        raise UsageError(
            f"is a kind of {part} and needs a model", item=f"--{part} {asked}", remedy=f"name it with --{part}-model"
        )
    if not is_bundle(asked) and not Path(asked).is_dir():
        raise UnknownName(f"no {part} of that name", item=asked, remedy=f"a folder, or one of {', '.join(kinds)}")
    return asked


def part_swap(kinds: str, text: str | None) -> Swap | None:
    """The part that replaces the model's own: of ``KIND:NAME`` both, of anything else a folder or a model.

    Args:
        kinds: The kind of part in the registry, such as ``text_classifiers``.
        text: The value of the option.
    """
    if text is None:
        return None
    kind, colon, name = text.partition(":")
    return (kind, name) if colon and kind in registry.names(kinds) else text
