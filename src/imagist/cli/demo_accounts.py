"""Simulated accounts for ``imagist demo --accounts``: folders as instaloader writes them, of parts of sample images."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

POSTS = 14  # of an account
ACCOUNTS: Mapping[str, Mapping[str, float]] = {
    "cats.and.coffee": {"cat": 0.6, "coffee": 0.4},
    "daily.espresso": {"coffee": 0.9, "flower": 0.1},
    "garden.notes": {"flower": 0.8, "cat": 0.2},
    "launch.log": {"rocket": 0.75, "astronaut": 0.25},
    "old.temples": {"china": 0.85, "photographer": 0.15},
    "two.wheels": {"motorcycle": 0.8, "china": 0.2},
    "a.bit.of.all": {"cat": 0.2, "china": 0.2, "coffee": 0.2, "flower": 0.2, "motorcycle": 0.2},
}
"""Invented accounts, with the share of their posts that each sample image, by its name without suffix, has."""

_FIRST = dt.datetime(2026, 1, 5, 9, 30, tzinfo=dt.UTC)
_SIDE = 320  # of a post, in pixels
_CAROUSEL = 7  # every so many posts one is a carousel
_COPY = 9  # the post that is a copy of the one before


def write_accounts(images: Mapping[str, Path], folder: Path, seed: int = 0) -> Path:
    """Writes the accounts; files that are there already are replaced.

    Args:
        images: Sample images by their names without suffix.
        folder: Receives a folder for each account.
        seed: Of the random numbers.

    Returns:
        The folder.
    """
    random = np.random.default_rng(seed)
    opened = {name: ImageOps.exif_transpose(Image.open(path)).convert("RGB") for name, path in images.items()}
    for account, mix in ACCOUNTS.items():
        own = folder / account
        own.mkdir(parents=True, exist_ok=True)
        known = [name for name in mix if name in opened]
        shares = np.array([mix[name] for name in known])
        picture = None
        for number in range(POSTS):
            name = known[int(random.choice(len(known), p=shares / shares.sum()))]
            days = int(random.integers(3))
            stem = f"{_FIRST + dt.timedelta(days=3 * number + days, minutes=11 * number):%Y-%m-%d_%H-%M-%S}_UTC"
            picture = picture if number == _COPY and picture else _part(opened[name], random)
            several = number % _CAROUSEL == _CAROUSEL - 1
            for place in (1, 2) if several else (0,):
                shown = picture if place < 2 else _part(opened[name], random)
                shown.save(own / (f"{stem}_{place}.jpg" if place else f"{stem}.jpg"), quality=85)
            likes = {"edge_media_preview_like": {"count": int(random.gamma(2, 60))}}
            (own / f"{stem}.json").write_text(json.dumps({"node": likes}), "utf-8")
            (own / f"{stem}.txt").write_text(f"#{name} of the day\n", "utf-8")
    return folder


def _part(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A part of an image, mirrored or not, brighter or darker: another photograph of the same thing, as it were."""
    side = int(min(image.size) * random.uniform(0.6, 0.95))
    left, top = (int(random.integers(length - side + 1)) for length in image.size)
    part = image.crop((left, top, left + side, top + side)).resize((_SIDE, _SIDE))
    part = ImageOps.mirror(part) if random.random() < 0.5 else part
    return ImageEnhance.Brightness(part).enhance(random.uniform(0.8, 1.2))
