"""Downloads the images of a study that are http(s) addresses; each is downloaded once and kept in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np

from imagist.datasets.entries import Example
from imagist.datasets.faults import Faults
from imagist.errors import ItemError
from imagist.images.addresses import is_url
from imagist.images.fetch import fetch
from imagist.study.store import Arrays, Store, key_of

AT_ONCE = 8  # downloads


def download_images(examples: Sequence[Example], store: Store) -> list[Example]:
    """Returns the examples with the encoded image of each address; later changes at the address are not seen.

    Args:
        examples: N of them.
        store: Keeps the downloads, also those of a killed run.

    Raises:
        DataError: Images that cannot be downloaded, all of them at once.
    """
    wanted = [each.image for each in examples if each.content is None and is_url(each.image)]
    keys = {address: key_of("fetched", address) for address in wanted}
    faults, contents = Faults(), dict[str, bytes]()
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        downloads = {address: pool.submit(fetch, address) for address, key in keys.items() if not store.holds(key)}
        for address, key in keys.items():
            try:
                contents[address] = store.of(key, partial(_downloaded, downloads, address))["content"].tobytes()
            except ItemError as error:
                faults.add("image that cannot be downloaded", str(error))
    finally:
        pool.shutdown(cancel_futures=True)
    faults.raise_any(remedy="leave them out, or save the images and name their files")
    return [replace(each, content=contents.get(each.image, each.content)) for each in examples]


def _downloaded(downloads: Mapping[str, Future[bytes]], address: str) -> Arrays:
    return {"content": np.frombuffer(downloads[address].result(), np.uint8)}
