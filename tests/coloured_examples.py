"""Labelled images that any classifier can tell apart, as files."""

from __future__ import annotations

import csv

import numpy as np
from PIL import Image

COLOURS = {"blue": (30, 60, 220), "green": (40, 190, 60), "red": (220, 40, 40)}


def image_of(label, number, side=48):
    """Coloured noise: uint8 ``[side, side, 3]``."""
    rng = np.random.default_rng((sorted(COLOURS).index(label), number))
    noise = rng.normal(0, 25, (side, side, 3)) + rng.normal(0, 12, 3)
    return np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8)


def write_folders(root, each=6, labels=("blue", "red")):
    """A folder for each label with so many images."""
    for label in labels:
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            Image.fromarray(image_of(label, number)).save(root / label / f"{label}{number}.png")
    return root


def write_table(root, each=6, labels=("blue", "red"), **columns):
    """The same with a table, ``labels.csv``; further columns by name, each a function of label and number."""
    write_folders(root, each, labels)
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", *columns])
        for label in labels:
            for number in range(each):
                values = [of(label, number) for of in columns.values()]
                writer.writerow([f"{label}/{label}{number}.png", label, *values])
    return root / "labels.csv"
