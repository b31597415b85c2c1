"""Grids of a frozen encoder over varied views of the training photographs, computed once and kept on disk as float16."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from imagist.training.distil import brain_float
from imagist.training.networks import Encoder
from imagist.training.photographs import PhotoSet, normalised, varied
from imagist.training.progress import Progress

Grids = NDArray[np.float16]


def views_of(photos: PhotoSet, encoder: Encoder, views: int, folder: Path, *, seed: int = 0) -> Grids:
    """The grids of V views of each photograph: the first as it is, the others varied.

    Args:
        photos: N photographs.
        encoder: In eval mode.
        views: V >= 1.
        folder: Where the file is kept; a later call with the same arguments goes on or only opens it.
        seed: Of the variations.

    Returns:
        float16 ``[N, V, L, D]``, mapped from disk.
    """
    path = folder / f"grids-{photos.name.replace('/', '-')}-{views}.npy"
    shape = (len(photos), views, 49, encoder.channels)
    place = path.with_suffix(".json")
    done = json.loads(place.read_text())["done"] if place.exists() and path.exists() else 0
    grids: Grids = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
        path, mode="r+" if done else "w+", dtype=np.float16, shape=None if done else shape
    )
    progress = Progress(f"grids of {photos.name}", len(photos), done)
    while done < len(photos):
        end = min(done + 16, len(photos))
        batch = [
            normalised(photos.pixels[i : i + 1]) if v == 0 else varied(photos.pixels[i], np.random.default_rng((seed, i, v)))
            for i in range(done, end)
            for v in range(views)
        ]
        with torch.no_grad():
            x = torch.cat(batch).contiguous(memory_format=torch.channels_last)
            maps = brain_float(encoder, x).flatten(2).transpose(1, 2)
        grids[done:end] = maps.reshape(end - done, *shape[1:]).numpy()
        for _ in range(done, end):
            progress.step(views)
        done = end
        if done % 512 == 0 or done == len(photos):
            grids.flush()  # type: ignore[attr-defined]
            draft = place.with_suffix(".draft")
            draft.write_text(json.dumps({"done": done}))
            os.replace(draft, place)
    return grids
