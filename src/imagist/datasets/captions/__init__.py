"""Captioned data in: files of sentences about images to records, their faults all at once, near-duplicates."""

from imagist.datasets.captions.checking import check
from imagist.datasets.captions.duplicates import near_duplicates
from imagist.datasets.captions.reading import Source, read, read_all
from imagist.datasets.captions.record import Record

__all__ = ["Record", "Source", "check", "near_duplicates", "read", "read_all"]
