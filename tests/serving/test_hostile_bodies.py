"""Bodies made by mutating real images: no answer blames the service, and the service goes on."""

from __future__ import annotations

import random

import pytest

import fake_service
from fake_service import image

KINDS = ("image/png", "application/json", "multipart/form-data; boundary=x")
PART = b"--x\r\nContent-Disposition: form-data; name=images; filename=a\r\n\r\n"


def mutated(content, rng):
    body = bytearray(content)
    for _ in range(rng.choice((1, 3, 30))):
        at = rng.randrange(len(body))
        match rng.randrange(4):
            case 0:
                body[at] = rng.randrange(256)
            case 1:
                del body[at : at + rng.randrange(1, 40)]
            case 2:
                body[at:at] = rng.randbytes(rng.randrange(1, 20))
            case 3:
                place = rng.randrange(40)
                body[place : place + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"))
        body = body or bytearray(b"\0")
    return bytes(body)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "tiff", "bmp"])
def test_mutated_images(client, kind):
    rng = random.Random(kind)
    content = image(size=(60, 40), kind=kind)
    for number in range(30):
        body = mutated(content, rng)
        if number % 3 == 2:
            body = PART + body + rng.choice((b"", b"\r\n--x", b"\r\n--x--\r\n"))
        answer = client.post("/v1/caption", content=body, headers={"Content-Type": KINDS[number % 3]})
        assert answer.status_code in {200, 400, 413, 415, 422}, body
    assert client.post("/v1/caption", files=fake_service.files(content)).status_code == 200
