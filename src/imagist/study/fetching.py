"""The images of a study that lie at http(s) addresses, each downloaded once and kept in its store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from imagist.datasets.captions.faults import Faults
from imagist.datasets.labels import Example
from imagist.errors import ItemError
from imagist.images.fetch import fetch, is_url
from imagist.study.store import Arrays, Store, key_of

AT_ONCE = 8  # downloads


def with_fetched(examples: Sequence[Example], store: Store) -> list[Example]:
    """The examples, those at addresses with the encoded image: it is downloaded once, whatever becomes of it there.

    Args:
        examples: N of them.
        store: Keeps the downloads; those that a killed run has made count.

    Raises:
        DataError: Images that cannot be had, all of them at once.
    """
    wanted = [each.image for each in examples if each.content is None and is_url(each.image)]
    keys = {address: key_of("fetched", address) for address in wanted}
    faults, found = Faults(), dict[str, bytes]()
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        coming = {address: pool.submit(fetch, address) for address, key in keys.items() if not store.holds(key)}
        for address, key in keys.items():
            try:
                found[address] = store.of(key, partial(_arrived, coming, address))["content"].tobytes()
            except ItemError as error:
                faults.add("image that cannot be had", str(error))
    finally:
        pool.shutdown(cancel_futures=True)
    faults.raise_any(remedy="leave them out, or save the images and name their files")
    return [replace(each, content=found.get(each.image, each.content)) for each in examples]


def _arrived(coming: Mapping[str, Future[bytes]], address: str) -> Arrays:
    return {"content": np.frombuffer(coming[address].result(), np.uint8)}
