"""The tables of docs/scaling.md are computed, and those that stand there are of the numbers that stand beside them."""

from __future__ import annotations

import json

import pytest

import scaling

FOUND = {
    "machine": {"cores": 2},
    "overhead": {
        "200000": {"rows_per_s": 20_000, "processor_us_per_row": 45, "memory_mb": 140},
        "2000000": {"rows_per_s": 19_000, "processor_us_per_row": 46, "memory_mb": 147},
    },
    "rates": {
        "images": 20_000,
        "pipeline": 200.0,
        "engine": 196.0,
        "engine on ray": 180.0,
        "engine to the pipeline": 0.98,
        "engine on ray to the pipeline": 0.9,
        "reading, processor seconds an image": 0.0001,
        "reading and decoding, processor seconds an image": 0.0021,
        "pipeline, processor seconds an image": 0.01,
        "engine, processor seconds an image": 0.0102,
        "memory_mb": 500,
        "row_bytes": 400,
        "image_bytes": 20_000,
    },
    "drills": {
        "part_rows": 20,
        "kinds": {
            name: {"kills": 15, "lost": 0, "doubled": 0, "changed": 0, "most images done again": 21}
            for name in ("driver", "ray node")
        },
    },
}


def test_the_tables_are_computed():
    text = scaling.page("".join(f"<!-- computed: {name} -->STALE<!-- end -->\n" for name in scaling.TABLES), FOUND)
    assert "STALE" not in text
    assert "30 kills" in text
    assert "| driver | 15 | 0 | 0 | 0 | 21 |" in text
    assert "| the engine on Ray, an actor a core | 180 | 11.1 ms |" in text
    assert "| decoding it | 2.00 ms |" in text
    assert "| networks: encoder, captioner, classifiers | 7.90 ms |" in text
    assert "140 MB of memory for 200,000 rows and 147 MB for 2,000,000 (+5.0%)" in text
    assert "| 1 M | 3 | 1 | 11.6 minutes | 0 | 20.0 GB | 400 MB | 1,000 |" in text
    assert "| 10 G | 30,852 | 250 | 7.7 hours | 1,234 | 200.0 TB | 4.0 TB | 10,000,000 |" in text
    assert scaling.page(text, FOUND) == text


def test_the_page_is_of_the_numbers_beside_it():
    if not scaling.RESULT.exists():
        pytest.skip("nothing was measured yet")
    text = scaling.PAGE.read_text("utf-8")
    assert scaling.page(text, json.loads(scaling.RESULT.read_text())) == text
