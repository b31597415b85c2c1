"""Folders of files that appear whole or not at all: on this machine's disks, or in an object store."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from imagist.engine.journal import lock
from imagist.errors import OutputError
from imagist.images.addresses import is_stored
from imagist.images.filesystems import filesystem_of
from imagist.storage import atomic_write

if TYPE_CHECKING:
    from pyarrow import NativeFile


_LOCK = ".lock"


class Store(ABC):
    """A folder of files.

    Attributes:
        address: As the user named it, without a slash at its end.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/") or "/"

    def within(self, name: str) -> str:
        """The address of a file in it."""
        return f"{self.address}/{name}"

    @abstractmethod
    def check(self) -> None:
        """Makes sure that files can be written.

        Raises:
            OutputError: They cannot.
        """

    @abstractmethod
    def names(self) -> list[str]:
        """The names of all files, sorted; none where there is no such folder. Leftovers of a kill are deleted."""

    @abstractmethod
    def opened(self, name: str) -> NativeFile:
        """A file, opened for reading.

        Raises:
            FileNotFoundError: There is none of that name.
        """

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Writes a file, whole or not at all; once this returns, a power cut cannot lose it.

        Raises:
            OutputError: It cannot be written, for example because the disk is full.
        """

    @abstractmethod
    def delete(self, name: str) -> None:
        """Deletes a file where it exists."""

    def lock(self) -> AbstractContextManager[None]:
        """Keeps other runs out, where the store can; the lock ends with its holder.

        Raises:
            OutputError: Another run has it.
        """
        return nullcontext()


class LocalStore(Store):
    """A folder on a disk; it is made when the first file is written."""

    @property
    def _folder(self) -> Path:
        return Path(self.address)

    def check(self) -> None:
        """As `Store.check`; the folder that the new one lies in must exist."""
        folder = self._folder
        if folder.exists() and not folder.is_dir():
            remedy = "name another folder, or a table that ends in .csv, .jsonl, .parquet or .xlsx"
            raise OutputError("is a file, not a folder", item=self.address, remedy=remedy)
        there = folder if folder.exists() else folder.parent
        if not there.is_dir():
            raise OutputError("its folder does not exist", item=self.address, remedy=f"create it: mkdir -p {there}")
        if not os.access(there, os.W_OK | os.X_OK):
            raise OutputError("its folder is not writable", item=self.address)

    def names(self) -> list[str]:
        """As `Store.names`."""
        if not self._folder.is_dir():
            return []
        found = sorted(path.name for path in self._folder.iterdir() if path.is_file())
        for name in found:
            if name.startswith(".") and name.endswith(".tmp"):
                self.delete(name)
        return [name for name in found if not name.startswith(".")]

    def opened(self, name: str) -> NativeFile:
        """As `Store.opened`."""
        import pyarrow as pa

        return pa.OSFile(self.within(name), "rb")

    def write(self, name: str, content: bytes) -> None:
        """As `Store.write`."""
        self._folder.mkdir(exist_ok=True)
        with atomic_write(self._folder / name) as scratch, scratch.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        self._sync()

    def delete(self, name: str) -> None:
        """As `Store.delete`."""
        (self._folder / name).unlink(missing_ok=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """As `Store.lock`."""
        path = self._folder / _LOCK
        try:
            self._folder.mkdir(exist_ok=True)
            file = path.open("ab")
        except OSError as error:
            raise OutputError(f"cannot be written: {error.strerror}", item=self.address) from error
        with file:
            lock(file, self._folder)
            yield

    def _sync(self) -> None:
        """Makes the names of files last, where the system can."""
        with suppress(OSError):
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


class ObjectStore(Store):
    """A prefix in an object store, whose objects appear whole when their upload ends."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._files, self._prefix = filesystem_of(self.address)

    def check(self) -> None:
        """As `Store.check`: it can be listed."""
        self.names()

    def names(self) -> list[str]:
        """As `Store.names`."""
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(self._prefix, allow_not_found=True)
        try:
            return sorted(each.base_name for each in self._files.get_file_info(selector) if each.type == FileType.File)
        except OSError as error:
            raise OutputError(f"cannot be reached: {error}", item=self.address) from error

    def opened(self, name: str) -> NativeFile:
        """As `Store.opened`."""
        return self._files.open_input_file(f"{self._prefix}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """As `Store.write`."""
        try:
            with self._files.open_output_stream(f"{self._prefix}/{name}", compression=None) as file:
                file.write(content)
        except OSError as error:
            raise OutputError(f"cannot be written: {error}", item=self.within(name)) from error

    def delete(self, name: str) -> None:
        """As `Store.delete`."""
        with suppress(FileNotFoundError):
            self._files.delete_file(f"{self._prefix}/{name}")


def store_of(address: str) -> Store:
    """The store of a folder, or of an address such as ``s3://bucket/results``.

    Raises:
        OutputError: The address cannot be used.
    """
    return ObjectStore(address) if is_stored(address) else LocalStore(address)
