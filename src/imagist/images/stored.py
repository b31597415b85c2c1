"""Object stores: ``s3://`` and ``gs://`` addresses through Arrow's file systems, ``hf://`` through fsspec's."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from imagist.errors import MissingExtra, UsageError

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem


def filesystem_of(address: str) -> tuple[FileSystem, str]:
    """The file system that an address is in, and its path there.

    Args:
        address: Such as ``s3://bucket/folder``. Settings such as ``?endpoint_override=localhost:9000&scheme=http``
            follow Arrow; credentials and ``AWS_ENDPOINT_URL`` are those of the environment.

    Raises:
        UsageError: It cannot be understood, or the store cannot be reached.
        MissingExtra: ``hf://`` without huggingface_hub.
    """
    scheme, _, path = address.partition("://")
    plain, mark, settings = path.partition("?")
    root = plain.partition("/")[0]
    return _filesystem(scheme.lower(), root + mark + settings), plain.rstrip("/")


@cache
def _filesystem(scheme: str, root: str) -> FileSystem:
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    try:
        if scheme == "hf":
            from huggingface_hub import HfFileSystem

            return PyFileSystem(FSSpecHandler(HfFileSystem()))
        return FileSystem.from_uri(f"{scheme}://{root}")[0]
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "hf:// addresses need huggingface_hub", item=f"{scheme}://{root}", remedy="pip install huggingface_hub"
        ) from error
    except (ArrowException, OSError, ValueError) as error:
        raise UsageError(f"cannot be used: {error}", item=f"{scheme}://{root}") from error
