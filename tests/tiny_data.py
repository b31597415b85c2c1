"""A few small images, and networks with random weights, under the names of the data that recipes and studies read."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from imagist.classifiers.image.imagenet import imagenet_names
from imagist.classifiers.taxonomy import built_in
from tiny_wordnet import write_wordnet

CAPTIONS = [
    ["a dog runs on grass", "a brown dog", "the dog runs", "a dog outside", "one dog on green grass"],
    ["a red car", "the car is red", "a car on a street", "a parked car", "one car stands"],
]
LITE = "tf_efficientnet_lite0"


def image(number):
    """A small image of a colour of its own."""
    file = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 40, (20, 20, 3)) + (np.array([number, 3 * number, 200]) % 200)
    Image.fromarray(pixels.astype(np.uint8)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": f"{number}.png"}


def write_data(folder, *, train=2, dev=1, networks=(LITE,)):
    """Writes Flickr8k, photos15, tiny ImageNet and the others, WordNet, and weights; returns the folder.

    Args:
        folder: Is made.
        train: Images of each category of photos15 to learn from.
        dev: The same to measure by.
        networks: Of timm, whose weights are drawn at random.
    """
    (folder / "flickr8k").mkdir(parents=True)

    def write(name, number, start, **columns):
        table = {"image": [image(start + i) for i in range(number)], **columns}
        pq.write_table(pa.table(table), folder / f"{name}.parquet")

    for start, (name, number) in enumerate([("train-0", 6), ("train-1", 4), ("dev", 3)]):
        own = [CAPTIONS[i % 2] for i in range(number)]
        write(f"flickr8k/{name}", number, 20 * start, split=[name.split("-")[0]] * number, captions=own)
    names = built_in("photos15").labels
    splits = ["train"] * train * len(names) + ["dev"] * dev * len(names)
    write("photos15", len(splits), 200, label=[*names] * (train + dev), split=splits)
    write("more", 4, 140)
    (folder / "coco_sentences.txt").write_text("A dog lies on a sofa.\nA large boat in the water.\n", "utf-8")
    rows = {"annotations": [{"caption": "A zebra stands in the grass."}]}
    (folder / "coco_captions_val2017.json").write_text(json.dumps(rows), "utf-8")
    write("imagenet_dev", 3, 150, index=[0, 1, 999])
    others = ["goose", "tabby", "barn", "bee", "pizza", "monarch"]
    splits = ["train"] * len(others) + ["dev"] * len(others)
    wnids = [[*imagenet_names()][number] for number in (99, 281, 425, 309, 963, 323)] * 2
    write("tiny_imagenet", 2 * len(others), 120, label=others * 2, split=splits, wnid=wnids)
    write_wordnet(folder / "wordnet")
    for network in networks:
        write_weights(folder / "weights", network)
    return folder


def write_weights(folder, network):
    """The weights of a network of timm, drawn at random, as ``NAME.imagenet.fp16.safetensors``."""
    import timm
    import torch
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        weights = timm.create_model(network, pretrained=False).state_dict()
    save_file(weights, folder / f"{network}.imagenet.fp16.safetensors")
