"""Captioned data in: files of sentences about pictures to records, their faults all at once, near-duplicates."""

from imagist.captioned.checking import check
from imagist.captioned.duplicates import near_duplicates
from imagist.captioned.reading import Source, read, read_all
from imagist.captioned.record import Record

__all__ = ["Record", "Source", "check", "near_duplicates", "read", "read_all"]
