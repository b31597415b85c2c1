"""Files of labelled images as others would write them."""

import csv
import io
import json
import struct

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
    """``cifar-100-python``: of each split ``(pixels [N, 3072], fine labels, coarse labels)``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, fine_labels, coarse_labels) in (("train", train), ("test", test)):
        batch = {
            b"filenames": [b"image_s_%06d.png" % i for i in range(len(pixels))],
            b"batch_label": b"training batch 1 of 1",
            b"fine_labels": fine_labels,
            b"coarse_labels": coarse_labels,
            b"data": pixels,
        }
        (folder / name).write_bytes(python_2(batch))
    names = {b"fine_label_names": [n.encode() for n in fine], b"coarse_label_names": [n.encode() for n in coarse]}
    (folder / "meta").write_bytes(python_2(names))
    return folder


class _Writer:
    """Protocol 2 as Python 2's cPickle writes it: strings are bytes, everything but numbers is kept in the memo."""

    def __init__(self):
        self.out, self.kept = bytearray(b"\x80\x02"), {}

    def put(self, key=None):
        number = len(self.kept)
        self.kept[key if key is not None else ("", number)] = number
        self.out += b"q" + bytes([number]) if number < 256 else b"r" + struct.pack("<I", number)

    def write(self, value):
        if value is None or isinstance(value, bool):
            self.out += {None: b"N", True: b"\x88", False: b"\x89"}[value]
        elif isinstance(value, int):
            kinds = ((0 <= value < 256, b"K", "<B"), (0 <= value < 65536, b"M", "<H"), (True, b"J", "<i"))
            self.out += next(code + struct.pack(kind, value) for fits, code, kind in kinds if fits)
        elif isinstance(value, bytes) and value in self.kept:
            number = self.kept[value]
            self.out += b"h" + bytes([number]) if number < 256 else b"j" + struct.pack("<I", number)
        elif isinstance(value, bytes):
            short = len(value) < 256
            self.out += (b"U" + bytes([len(value)]) if short else b"T" + struct.pack("<i", len(value))) + value
            self.put(value)
        else:
            {list: self._list, tuple: self._tuple, dict: self._dict, np.ndarray: self._array}[type(value)](value)

    def _list(self, values):
        self.out += b"]"
        self.put()
        for start in range(0, len(values), 1000):
            self._many(values[start : start + 1000], b"a", b"e")

    def _many(self, values, one, several):
        if len(values) == 1:
            self.write(values[0])
            self.out += one
            return
        self.out += b"("
        for value in values:
            self.write(value)
        self.out += several

    def _tuple(self, values):
        if len(values) > 3:
            self.out += b"("
        for value in values:
            self.write(value)
        self.out += {0: b")", 1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(values), b"t")

    def _dict(self, values):
        self.out += b"}"
        self.put()
        self.out += b"("
        for key, value in values.items():
            self.write(key)
            self.write(value)
        self.out += b"u"

    def _global(self, name):
        self.out += b"c" + name + b"\n"
        self.put()

    def _array(self, values):
        self._global(b"numpy.core.multiarray\n_reconstruct")
        self._global(b"numpy\nndarray")
        self._tuple((0,))
        self.write(b"b")
        self.out += b"\x87R"
        self.put()
        self.out += b"("
        for part in (1, values.shape):
            self.write(part)
        self._global(b"numpy\ndtype")
        self._tuple((values.dtype.str[1:].encode(), 0, 1))
        self.out += b"R"
        self.put()
        self._tuple((3, b"|", None, None, None, -1, -1, 0))
        self.out += b"b"
        self.write(False)
        self.write(values.tobytes())
        self.out += b"tb"


def python_2(value):
    """What Python 2 would write of a value."""
    writer = _Writer()
    writer.write(value)
    return bytes(writer.out + b".")
