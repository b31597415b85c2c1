"""Files of labelled images as others would write them."""

import csv
import io
import json

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet as pq


def encoded(seed, size=(96, 64), quality=90):
    """A JPEG of a seed: smooth, so that its hash means something."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(coarse).resize((240, 160), Image.Resampling.BICUBIC).resize(size)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def write_image(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(seed))
    return path


def write_csv(path, header, *rows, **dialect):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, **dialect).writerows([header, *rows])
    return path


def write_json_lines(path, *objects):
    path.write_text("".join(json.dumps(each) + "\n" for each in objects), "utf-8")
    return path


def write_parquet(path, columns, *, names=None, **options):
    """With ``names`` of columns of numbers in the schema, as Hugging Face's ``datasets`` keeps them."""
    table = pa.table(columns)
    if names:
        features = {column: {"names": of, "_type": "ClassLabel"} for column, of in names.items()}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, **options)
    return path


def write_instances(path, images, annotations, categories):
    """COCO: ``{number: file}``, ``(image, category, area)``, ``{number: name}``."""
    document = {
        "images": [{"id": number, "file_name": name} for number, name in images.items()],
        "annotations": [
            {"id": i, "image_id": image, "category_id": category, "area": area, "bbox": [0, 0, 1, 1], "iscrowd": 0}
            for i, (image, category, area) in enumerate(annotations)
        ],
        "categories": [{"id": number, "name": name, "supercategory": "x"} for number, name in categories.items()],
    }
    path.write_text(json.dumps(document), "utf-8")
    return path


def write_cifar(folder, train, test, fine, coarse):
    """``cifar-100-binary``: of each split ``(pixels [N, 3072], fine labels, coarse labels)``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, fine_labels, coarse_labels) in (("train", train), ("test", test)):
        labels = np.array([coarse_labels, fine_labels], np.uint8).T.reshape(len(pixels), 2)
        (folder / f"{name}.bin").write_bytes(np.hstack([labels, pixels]).tobytes())
    (folder / "fine_label_names.txt").write_text("".join(f"{name}\n" for name in fine))
    (folder / "coarse_label_names.txt").write_text("".join(f"{name}\n" for name in coarse))
    return folder
