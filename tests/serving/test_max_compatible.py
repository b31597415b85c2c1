"""What clients of IBM's MAX Image Caption Generator rely on."""

from __future__ import annotations

import math

import pytest

import fake_service
from fake_service import image


@pytest.fixture(scope="module")
def compatible():
    with fake_service.client(max_compat=True) as made:
        yield made


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_predictions_have_its_shape(client, kind):
    content = image(kind={"jpg": "jpeg"}.get(kind, kind))
    answer = client.post("/model/predict", files={"image": (f"tests/surfing.{kind}", content, f"image/{kind}")})
    assert answer.status_code == 200
    found = answer.json()
    assert {*found} == {"status", "predictions"}
    assert found["status"] == "ok"
    assert [each["index"] for each in found["predictions"]] == ["0", "1", "2"]
    assert found["predictions"][0]["caption"].startswith("a white dog")
    assert found["predictions"][0]["probability"] == pytest.approx(math.exp(-1.5))


def test_its_own_test_of_the_swagger_document(compatible):
    answer = compatible.get("/swagger.json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    found = answer.json()
    assert found["swagger"] == "2.0"
    assert found["info"]["title"] == "MAX Image Caption Generator"
    assert {*found["paths"]} == {"/model/metadata", "/model/predict"}
    refs = str(found).split("#/definitions/")[1:]
    assert {ref.split("'")[0] for ref in refs} <= {*found["definitions"]}
    assert compatible.get("/openapi.json").json()["info"]["title"] == "MAX Image Caption Generator"


def test_its_own_test_of_the_metadata(compatible, client):
    metadata = compatible.get("/model/metadata").json()
    assert metadata["id"] == "max-image-caption-generator"
    assert metadata["name"] == "MAX Image Caption Generator"
    assert metadata["description"] == "im2txt TensorFlow model trained on MSCOCO"
    assert metadata["license"] == "Apache 2.0"
    assert metadata["type"] == "Image-to-Text Translation"
    assert "max-image-caption-generator" in metadata["source"]
    assert client.get("/model/metadata").json()["name"] == "imagist fake"
    assert client.get("/swagger.json").status_code == 404


def test_a_part_without_a_type_is_read(client):
    """The original refuses it."""
    body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + image() + b"\r\n--x--\r\n"
    answer = client.post("/model/predict", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 200


@pytest.mark.parametrize("content", [b"", b"hello", image()[:60], image(kind="jpeg")[:300]])
def test_what_is_no_image_is_400(client, content):
    """The original answers 500 to a truncated JPEG."""
    answer = client.post("/model/predict", files={"image": ("a.jpg", content, "image/jpeg")})
    assert answer.status_code == 400
    assert answer.json()["status"] == "error"
    assert answer.json()["message"]


def test_other_bodies_are_400(client):
    assert client.post("/model/predict", data={"image": "text"}).status_code == 400
    assert client.post("/model/predict", files=fake_service.files(image(), image())).status_code == 400
    assert client.post("/model/predict", json={"images": [{"url": "http://example.org/"}]}).status_code == 400
