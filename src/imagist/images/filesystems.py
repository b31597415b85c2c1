"""File systems of object stores: ``s3://`` and ``gs://`` through Arrow, ``hf://`` through huggingface_hub.

Credentials and servers are those of the environment: ``AWS_ENDPOINT_URL`` and ``STORAGE_EMULATOR_HOST`` name servers
other than Amazon's and Google's, ``HF_ENDPOINT`` another than that of Hugging Face.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from imagist.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from pyarrow.fs import FileSelector, FileSystem

_PATIENCE_S = 2.0  # for the first connection to a server, to each of its addresses
_GOOGLE_RETRY_S = 120  # seconds for which Arrow asks Google again; its own is 15 minutes
_SMALL = "allow_delayed_open=true"  # Arrow's: what is small is written by one request instead of an upload in parts
_SERVERS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "gs": ("STORAGE_EMULATOR_HOST", "CLOUD_STORAGE_EMULATOR_ENDPOINT"),
    "hf": ("HF_ENDPOINT",),
}  # variables that name the server, best first
_GOOGLE_KEYS = Path("gcloud", "application_default_credentials.json")


def filesystem_of(address: str) -> tuple[FileSystem, str]:
    """The file system that an address is in, and its path there.

    Args:
        address: Such as ``s3://bucket/folder``. The address of a folder to write may have settings of Arrow's, such as
            ``?endpoint_override=localhost:9000&scheme=http``.

    Raises:
        UsageError: It cannot be understood, or its server cannot be reached.
        MissingExtra: ``hf://`` without huggingface_hub.
    """
    scheme, _, path = address.partition("://")
    plain, mark, settings = path.partition("?")
    root = plain.partition("/")[0]
    return _filesystem(scheme.lower(), root + mark + settings), plain.rstrip("/")


@cache
def _filesystem(scheme: str, root: str) -> FileSystem:
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem

    opened = {"s3": _amazon, "gs": _google}
    try:
        if scheme == "hf":
            return _hub()
        server = _server(scheme, parse_qs(root.partition("?")[2]))
        _check_reachable(scheme, server)
        return FileSystem.from_uri(f"{scheme}://{opened[scheme](root, server)}")[0]
    except (ArrowException, OSError, ValueError) as error:
        raise UsageError(f"cannot be used: {error}", item=f"{scheme}://{root}") from error


def _server(scheme: str, settings: dict[str, list[str]]) -> str:
    """The address of the server of a store, by the settings of an address, or by the environment."""
    if override := settings.get("endpoint_override"):
        return f"{settings.get('scheme', ['https'])[0]}://{override[0]}"
    if named := _named(scheme):
        return named if "://" in named else f"http://{named}"
    if scheme == "gs":
        return "https://storage.googleapis.com"
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return f"https://s3.{region}.amazonaws.com"


def _named(scheme: str) -> str | None:
    """The server that the environment names."""
    return next((os.environ[name] for name in _SERVERS[scheme] if os.environ.get(name)), None)


def _check_reachable(scheme: str, server: str) -> None:
    """Makes sure that somebody answers there, for Arrow's file systems try for up to 15 minutes.

    Raises:
        UsageError: Nobody does.
    """
    import httpx2

    try:
        httpx2.head(server, timeout=httpx2.Timeout(None, connect=_PATIENCE_S, read=_PATIENCE_S))
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.InvalidURL) as error:
        raise UsageError(
            f"cannot be reached: {error}",
            item=f"{scheme}://, {server}",
            remedy=f"check the network; another server is named by {_SERVERS[scheme][-1]}",
        ) from error
    except httpx2.HTTPError:
        return  # it answers, if only to what Arrow asks


def _amazon(root: str, server: str) -> str:
    """The root of an S3 address with what Arrow needs to be told."""
    settings = [_SMALL] if "allow_delayed_open" not in root else []
    if _named("s3") and "region=" not in root and not {"AWS_REGION", "AWS_DEFAULT_REGION"} & {*os.environ}:
        settings.append("region=us-east-1")  # else Arrow asks Amazon for it
    return _with(root, settings)


def _google(root: str, server: str) -> str:
    """The root of a Google address with what Arrow needs to be told; without credentials it is read as anybody may."""
    settings = [f"retry_limit_seconds={_GOOGLE_RETRY_S}"] if "retry_limit_seconds" not in root else []
    if _named("gs") and "endpoint_override" not in root:
        parts = urlsplit(server)
        settings += [f"endpoint_override={parts.netloc}", f"scheme={parts.scheme}"]
    anonymous = "@" not in root and (_named("gs") is not None or not _has_google_credentials())
    return _with(f"anonymous@{root}" if anonymous else root, settings)


def _with(root: str, settings: list[str]) -> str:
    return root + "".join(f"{'&' if '?' in root or i else '?'}{each}" for i, each in enumerate(settings))


def _has_google_credentials() -> bool:
    """Whether Google's libraries would find credentials: a file, or the server that machines of Google's have."""
    if os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return True
    home = os.environ.get("CLOUDSDK_CONFIG")
    if (Path(home) / _GOOGLE_KEYS.name if home else Path.home() / ".config" / _GOOGLE_KEYS).exists():
        return True
    try:
        socket.getaddrinfo(os.environ.get("GCE_METADATA_HOST", "metadata.google.internal"), 80)
    except OSError:
        return False
    return True


def _hub() -> FileSystem:
    """The file system of the Hub, whose errors are OSErrors, as those of Arrow's are."""
    try:
        from huggingface_hub import HfFileSystem, constants
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "hf:// addresses need huggingface_hub", item="hf://", remedy="pip install huggingface_hub"
        ) from error
    from pyarrow import PythonFile
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    server = _named("hf") or constants.ENDPOINT
    _check_reachable("hf", server)
    files: Any = HfFileSystem(endpoint=server)
    handler = FSSpecHandler(files)
    listing = handler.get_file_info_selector

    def fresh(selector: FileSelector) -> Any:
        files.invalidate_cache()  # it would not see what other processes write
        return listing(selector)

    def opened(path: str) -> PythonFile:
        if not files.isfile(path):
            raise FileNotFoundError(path)
        file = files.open(path, "rb")
        file.read = _with_os_errors(file.read)
        return PythonFile(file, mode="r")

    handler.get_file_info_selector, handler.open_input_file = fresh, opened
    for name in ("get_file_info", "get_file_info_selector", "open_input_file", "open_output_stream", "delete_file"):
        setattr(handler, name, _with_os_errors(getattr(handler, name)))
    return PyFileSystem(handler)


def _with_os_errors(call: Callable[..., Any]) -> Callable[..., Any]:
    """A call that raises an OSError where the library for HTTP raises an error of its own."""

    def called(*args: Any) -> Any:
        try:
            return call(*args)
        except OSError:
            raise
        except Exception as error:
            if type(error).__module__.partition(".")[0] in ("httpx", "httpx2"):
                raise OSError(f"{type(error).__name__}: {error}") from error
            raise

    return called
