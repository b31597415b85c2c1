"""Decoders in processes: equal to decoding here, and replaced when they crash or hang."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import numpy as np
import pytest

import fake_service
from imagist.errors import CorruptImage, DecodeTimeout, ImageTooLarge, UnknownFormat
from imagist.images import DecodeLimits, decode
from imagist.serving.decoders import ProcessDecoders
from imagist.serving.monitoring import Metrics

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses signals")
LIMITS = DecodeLimits(max_megapixels=1)


@pytest.fixture(scope="module")
def decoders():
    made = ProcessDecoders(1, LIMITS, 3.0, Metrics())
    yield made
    made.close()


def decoded(decoders, *contents):
    async def body():
        jobs = (decoders.decode(content, str(number)) for number, content in enumerate(contents))
        return await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), 60)

    return asyncio.run(body())


def replaced(decoders, pid):
    ends = time.monotonic() + 60
    while not (decoders.ready and decoders.processes and decoders.processes != [pid]) and time.monotonic() < ends:
        time.sleep(0.01)
    return decoders.processes != [pid]


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_photo_is_as_decoded_here(decoders, kind):
    content = fake_service.image(size=(900, 500), kind=kind)
    (photo,) = decoded(decoders, content)
    here = decode(content, limits=LIMITS)
    assert np.array_equal(photo.pixels, here.pixels)
    assert (photo.size, photo.source) == (here.size, "0")
    assert not photo.pixels.flags.writeable


def test_errors_keep_their_kind(decoders):
    good = fake_service.image()
    large = fake_service.image(size=(2000, 2000))
    found = decoded(decoders, b"hello", good[:40], large, good)
    assert [type(each) for each in found[:3]] == [UnknownFormat, CorruptImage, ImageTooLarge]
    assert found[1].item == "1"
    assert found[2].remedy
    assert found[3].size == (24, 16)


def test_a_killed_decoder_is_replaced(decoders):
    (pid,) = decoders.processes
    os.kill(pid, signal.SIGSTOP)  # it gets the image, and then dies over it

    async def body():
        job = asyncio.create_task(decoders.decode(fake_service.image(), "a"))
        await asyncio.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(CorruptImage, match="crashed"):
            await job

    asyncio.run(body())
    assert replaced(decoders, pid)
    assert decoded(decoders, fake_service.image())[0].size == (24, 16)


def test_a_decoder_that_dies_idle_costs_no_image(decoders):
    (pid,) = decoders.processes
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # else it may die over the first image
    assert [photo.size for photo in decoded(decoders, fake_service.image(), fake_service.image())] == [(24, 16)] * 2
    assert decoders.processes != [pid]


def test_a_hung_decoder_is_replaced():
    metrics = Metrics()
    decoders = ProcessDecoders(1, LIMITS, 0.5, metrics)
    try:
        decoded(decoders, b"x")
        (pid,) = decoders.processes
        os.kill(pid, signal.SIGSTOP)
        (error,) = decoded(decoders, fake_service.image())
        assert isinstance(error, DecodeTimeout)
        assert replaced(decoders, pid)
        assert b"imagist_decoders_replaced_total 1.0" in metrics.text()
    finally:
        decoders.close()
    assert decoders.processes == []
