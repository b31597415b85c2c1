"""A model whose parts name a space, with two encoders of it: the shipped network twice, under two names."""

from __future__ import annotations

import numpy as np

from imagist.bundle import SHIPPED, copy_part, npz, open_bundle, open_folder, write_bundle, write_part

SPACE = "squares@224"
NAMES = ("embedded", "lite")
CLASSES = 1000


def write(folder):
    """Writes the model; returns it. Its encoders have classes, each other ones."""
    shipped = open_bundle(SHIPPED / "embedded")
    writers = {part: copy_part(shipped.part(part)) for part in ("text_classifier", "fusion", "calibration")}
    writers |= {part: _served_by_the_space(shipped.part(part)) for part in ("captioner", "image_classifier")}
    writers |= {"encoder": _encoder(shipped.encoder, 0), "encoder-lite": _encoder(shipped.encoder, 1)}
    return write_bundle(folder, {"name": "two", "description": "two encoders"}, writers)


def _served_by_the_space(part):
    card = {key: value for key, value in part.card.items() if key not in ("kind", "encoder", "space", "files")}
    files = {name.replace(".", "__"): part.read(name) for name in part.files}
    return lambda path: write_part(path, part.kind, {"space": SPACE, **card}, None, **files)


def _encoder(part, number):
    rng = np.random.default_rng(number)
    weight, bias = rng.normal(size=(1280, CLASSES)), rng.normal(size=CLASSES)
    head = npz(weight=weight.astype(np.float16), bias=bias.astype(np.float32))
    files = {"encoder__onnx": part.read("encoder.onnx"), "classes__npz": head}
    return lambda path: write_part(path, "onnx", {"name": NAMES[number], "space": SPACE}, None, **files)


def bound(folder):
    """Writes the shipped model with parts that work with its own encoder alone, which has no classes; returns it."""
    shipped = open_bundle(SHIPPED / "embedded")
    plain_encoder(folder / "encoder")
    version = open_folder(folder / "encoder").version
    writers = {part: copy_part(shipped.part(part)) for part in ("text_classifier", "fusion", "calibration")}
    writers |= {part: _bound_to(shipped.part(part), version) for part in ("captioner", "image_classifier")}
    writers["encoder"] = copy_part(open_folder(folder / "encoder"))
    return write_bundle(folder / "bound", {"name": "bound", "description": "one encoder"}, writers)


def plain_encoder(folder):
    """Writes the shipped encoder without space and classes."""
    write_part(folder, "onnx", encoder__onnx=open_bundle(SHIPPED / "embedded").encoder.read("encoder.onnx"))


def _bound_to(part, version):
    card = {key: value for key, value in part.card.items() if key not in ("kind", "space", "files")}
    files = {name.replace(".", "__"): part.read(name) for name in part.files}
    return lambda path: write_part(path, part.kind, {"encoder": version, **card}, None, **files)
