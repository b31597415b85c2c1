from __future__ import annotations

import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")
pytest.importorskip("uvicorn", reason="needs the extra serve")
pytest.importorskip("prometheus_client", reason="needs the extra serve")
pytest.importorskip("python_multipart", reason="needs the extra serve")

import fake_service


@pytest.fixture(scope="module")
def client():
    """A client of a service with default settings, for tests that leave it as it is."""
    with fake_service.client() as made:
        yield made
