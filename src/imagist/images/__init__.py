"""Images in: sources to rows, rows to photos, photos to the views of an encoder."""

from imagist.images.decode import DecodeLimits, decode
from imagist.images.fetch import fetch
from imagist.images.loader import load
from imagist.images.photo import as_photo, read_file
from imagist.images.sources import Archive, archive_rows, count, rows
from imagist.images.views import VIEWS, crops, letterbox, square, view

__all__ = [
    "VIEWS",
    "Archive",
    "DecodeLimits",
    "archive_rows",
    "as_photo",
    "count",
    "crops",
    "decode",
    "fetch",
    "letterbox",
    "load",
    "read_file",
    "rows",
    "square",
    "view",
]
