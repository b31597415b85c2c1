"""A task without a model: the red of each image's first pixel as its caption."""

from __future__ import annotations

from dataclasses import dataclass

from imagist.engine import Task
from imagist.records.flat import CAPTION_FIELDS, columns


@dataclass(frozen=True)
class Red:
    value: int

    def fields(self):
        return {"caption": f"red {self.value}"}


def work(photos):
    return [Red(int(photo.pixels[0, 0, 0])) for photo in photos]


TASK = Task(work, columns(CAPTION_FIELDS), {"task": "red"})
