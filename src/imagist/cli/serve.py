"""``imagist serve``: a service over HTTP."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagist.cli.parser import (
    Parser,
    add_encoder,
    add_parts,
    over_zero,
    positive,
    size,
)
from imagist.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from imagist.serving.models import ServedModel
    from imagist.serving.settings import ServerSettings


def configure(parser: Parser) -> None:
    """Declares the arguments."""
    parser.epilog = "The API is described at /openapi.json and in docs/service.md."
    _add_network(parser)
    _add_models(parser)
    add_parts(parser)
    _add_limits(parser)


def _add_network(parser: Parser) -> None:
    group = parser.add_argument_group("network")
    group.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen at (default: this machine alone)"
    )
    group.add_argument("--port", type=int, default=8000, metavar="N", help="port; 0 takes any free one (default: 8000)")
    group.add_argument(
        "--host-name",
        action="append",
        default=[],
        metavar="NAME",
        help="a name by which the service may be called, beside localhost; * allows any; may be repeated",
    )
    group.add_argument(
        "--origin",
        action="append",
        default=[],
        metavar="URL",
        help="a site whose pages may call the service, such as https://example.org (CORS); may be repeated",
    )
    group.add_argument("--certificate", metavar="FILE", help="certificate in PEM, for https; with --certificate-key")
    group.add_argument("--certificate-key", metavar="FILE", help="its private key")
    group.add_argument("--keys", type=Path, metavar="FILE", help="ask for an API key of this file (see imagist keys)")
    group.add_argument("--urls", action="store_true", help="fetch images by http(s) addresses, public ones only")
    group.add_argument("--no-page", action="store_true", help="serve the API without the page at /")
    group.add_argument(
        "--max-compat",
        action="store_true",
        help="be called as IBM's MAX Image Caption Generator: its /swagger.json, title and metadata",
    )


def _add_models(parser: Parser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        action="append",
        metavar="[NAME=]MODEL",
        help="an installed model or a model folder, and the name under which it is served; may be repeated, the first "
        "is the default one (default: embedded)",
    )
    group.add_argument(
        "--beam", type=positive, metavar="N", help="beam size of the captioner (default: the model's own)"
    )
    add_encoder(group)
    group.add_argument(
        "--views",
        choices=["square", "letterbox", "crops"],
        default="square",
        help="how an image is made square: resized, padded, or cut into crops (default: square)",
    )
    group.add_argument(
        "--table",
        action="append",
        metavar="NAME",
        help="phrases of interrogations, as of imagist interrogate; may be repeated (default: embedded)",
    )
    group.add_argument("--threads", type=positive, metavar="N", help="processor cores for the models (default: all)")


def _add_limits(parser: Parser) -> None:
    group = parser.add_argument_group("limits")
    group.add_argument("--batch-size", type=positive, metavar="N", help="images in a batch (default: 32)")
    group.add_argument("--decoders", type=int, metavar="N", help="processes that decode images (default: 2)")
    group.add_argument("--max-queue", type=positive, metavar="N", help="images that may wait (default: 512)")
    group.add_argument("--max-images", type=positive, metavar="N", help="images in a request (default: 64)")
    group.add_argument("--max-body", type=size, metavar="SIZE", help="bytes of a request (default: 64M)")
    group.add_argument("--max-bytes", type=size, metavar="SIZE", help="bytes of an image (default: 16M)")
    group.add_argument("--max-megapixels", type=over_zero, metavar="N", help="millions of pixels (default: 50)")
    group.add_argument("--timeout", type=over_zero, metavar="S", help="seconds for a request (default: 60)")
    group.add_argument(
        "--images-a-minute", type=over_zero, metavar="N", help="images that a key or an address may send"
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns its exit code."""
    return serve_with(args)


def serve_with(args: argparse.Namespace, **more: Any) -> int:
    """Serves until it is stopped.

    Args:
        args: The parsed options.
        more: Further settings of `imagist.serving.settings.ServerSettings`.

    Raises:
        MissingExtra: The extra is not installed.
        ImagistError: A setting or a model cannot be used, or the address cannot be listened at.
    """
    try:
        from imagist.serving.app import build_app
        from imagist.serving.server import serve
    except ImportError as error:
        raise MissingExtra(f"{error.name} is not installed", remedy="pip install 'imagist[serve]'") from error
    if bool(args.certificate) != bool(args.certificate_key):
        raise UsageError("a certificate and its key belong together", item="--certificate")
    settings = replace(settings_of(args), **more)
    app = build_app(models_of(args), settings)
    serve(app, args.host, args.port, certificate=args.certificate, key=args.certificate_key)
    return 0


def settings_of(args: argparse.Namespace) -> ServerSettings:
    """The settings that the options ask for.

    Raises:
        SettingError: One is out of its range.
    """
    from imagist.serving.settings import ServerSettings

    named = {
        "batch_size": args.batch_size,
        "decoders": args.decoders,
        "max_queue": args.max_queue,
        "max_images": args.max_images,
        "max_body": args.max_body,
        "max_image_bytes": args.max_bytes,
        "max_megapixels": args.max_megapixels,
        "timeout_s": args.timeout,
        "images_a_minute": args.images_a_minute,
    }
    asked: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    hosts = (*ServerSettings.hosts, args.host.lower(), *(name.lower() for name in args.host_name))
    return ServerSettings(
        keys=args.keys,
        urls=args.urls,
        hosts=hosts,
        origins=tuple(args.origin),
        page=not args.no_page,
        max_compat=args.max_compat,
        **asked,
    )


def models_of(args: argparse.Namespace) -> dict[str, ServedModel]:
    """The models that the options ask for, by name.

    Raises:
        BundleError: One cannot be used.
        UsageError: Two have the same name, or there is no such table of phrases.
    """
    from imagist.captioning.loading import cores
    from imagist.captioning.options import CaptionOptions
    from imagist.cli.opening import pipeline_of
    from imagist.matching.phrases import open_tables
    from imagist.serving.models import served

    tables = open_tables(args.table) if args.table else None
    found: dict[str, ServedModel] = {}
    for text in args.model or ["embedded"]:
        name, model = named_model(text)
        if name in found:
            raise UsageError("two models of that name", item=name, remedy="name them with --model NAME=FOLDER")
        own = argparse.Namespace(**{**vars(args), "model": model})
        own.taxonomy, own.labels, own.weight = None, None, None
        options = CaptionOptions(device=args.device, threads=args.threads or cores(), encoder=args.encoder)
        found[name] = served(name, pipeline_of(own) if _classifies(model) else None, model, options, tables)
    return found


def _classifies(model: str) -> bool:
    """Whether a model has classifiers; one that was trained to caption has none."""
    from imagist.bundle import open_bundle

    return open_bundle(model).has("text_classifier")


def named_model(text: str) -> tuple[str, str]:
    """The name and the model of ``NAME=MODEL``; a model alone is called as its folder."""
    name, equals, model = text.partition("=")
    return (name, model) if equals else (Path(text).name, text)
