"""Every error that imagist raises on purpose.

ImagistError
├── ItemError                one input failed; the others of its batch go on
│   ├── SourceNotFound       no such file, or the row names nothing
│   ├── FetchFailed          an http(s) address did not deliver
│   ├── ModelFailed          the image was decoded, but the model raised on it
│   │   └── EndpointFailed   a server that captions did not deliver
│   ├── DeadlinePassed       a service did not get to it in time
│   ├── WorkerDied           two workers ended while they worked on it
│   └── ImageError         the bytes were read but give no image
│       ├── EmptyFile        zero bytes
│       ├── ImageTooLarge  over the limit on bytes or megapixels
│       ├── UnknownFormat    not an image format that can be decoded here
│       ├── CorruptImage   truncated or damaged
│       └── DecodeTimeout    decoding did not end in time
├── UsageError               the call itself is wrong; nothing was started
│   ├── SettingError         a setting is out of its range, or contradicts another
│   ├── UnknownName          a name that the registry does not hold
│   ├── ManifestError        a table or archive of inputs that cannot be read
│   └── OutputError          the result cannot be written there
├── BundleError              a model folder that cannot be used
│   ├── BundleNotFound
│   └── BundleTampered       a file differs from the sha256 on its card
├── WorkerLost               workers of a cluster died again and again
├── DataError                training or evaluation data at fault
└── MissingExtra             an optional library is not installed
"""

from __future__ import annotations

import re


class ImagistError(Exception):
    """Root of the tree.

    Args:
        message: What is wrong, in one sentence.
        item: The file, row, name or address at fault.
        remedy: What the reader can do about it.
    """

    def __init__(self, message: str, *, item: str | None = None, remedy: str | None = None) -> None:
        self.message = message
        self.item = item
        self.remedy = remedy
        super().__init__(message)

    @property
    def kind(self) -> str:
        """The class name in snake case, such as ``corrupt_image``: stable, for tables and clients."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def __str__(self) -> str:
        text = f"{self.item}: {self.message}" if self.item else self.message
        return f"{text} ({self.remedy})" if self.remedy else text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.item, self.remedy)


def _rebuild(cls: type[ImagistError], message: str, item: str | None, remedy: str | None) -> ImagistError:
    return cls(message, item=item, remedy=remedy)


class ItemError(ImagistError):
    """One input failed; the others of its batch go on."""


class SourceNotFound(ItemError):
    """No such file, or the row names nothing."""


class FetchFailed(ItemError):
    """An http(s) address did not deliver."""


class ModelFailed(ItemError):
    """The image was decoded, but the model raised on it."""


class EndpointFailed(ModelFailed):
    """A server that captions did not deliver."""


class DeadlinePassed(ItemError):
    """A service did not get to it in time."""


class WorkerDied(ItemError):
    """Two workers ended while they worked on it."""


class ImageError(ItemError):
    """The bytes were read but give no image."""


class EmptyFile(ImageError):
    """Zero bytes."""


class ImageTooLarge(ImageError):
    """Over the limit on bytes or megapixels."""


class UnknownFormat(ImageError):
    """Not an image format that can be decoded here."""


class CorruptImage(ImageError):
    """Truncated or damaged."""


class DecodeTimeout(ImageError):
    """Decoding did not end in time."""


class UsageError(ImagistError):
    """The call itself is wrong; nothing was started."""


class SettingError(UsageError, ValueError):
    """A setting is out of its range, or contradicts another; ``item`` names it."""


class UnknownName(UsageError):
    """A name that the registry does not hold."""


class ManifestError(UsageError):
    """A table or archive of inputs that cannot be read."""


class OutputError(UsageError):
    """The result cannot be written there."""


class BundleError(ImagistError):
    """A model folder that cannot be used."""


class BundleNotFound(BundleError):
    """No model folder there."""


class BundleTampered(BundleError):
    """A file differs from the sha256 on its card."""


class WorkerLost(ImagistError):
    """Workers of a cluster died again and again."""


class DataError(ImagistError):
    """Training or evaluation data at fault."""


class MissingExtra(ImagistError):
    """An optional library is not installed."""
