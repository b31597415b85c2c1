"""Object stores that cannot be reached, or need what is not installed, say so at once."""

from __future__ import annotations

import sys

import pytest

from imagist.errors import MissingExtra, UsageError
from imagist.images import filesystems, rows

NOBODY = "http://127.0.0.1:1"  # where nobody listens


@pytest.fixture(autouse=True)
def opened_anew(monkeypatch):
    """No store is open, and nothing outside this test says where they are."""
    for names in filesystems._SERVERS.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    filesystems._filesystem.cache_clear()
    yield
    filesystems._filesystem.cache_clear()


@pytest.mark.parametrize(
    ("address", "variable"),
    [
        ("s3://posts/in", "AWS_ENDPOINT_URL"),
        ("gs://posts/in", "STORAGE_EMULATOR_HOST"),
        ("hf://me/posts", "HF_ENDPOINT"),
    ],
)
def test_a_server_that_does_not_answer_is_an_error_with_a_remedy(monkeypatch, address, variable):
    if variable == "HF_ENDPOINT":
        pytest.importorskip("huggingface_hub")
    monkeypatch.setenv(variable, NOBODY)
    (row,) = rows([address])
    assert isinstance(row.error, UsageError)
    assert str(row.error).startswith(f"{address[:5]}, {NOBODY}: cannot be reached: ")
    assert "check the network" in str(row.error)


def test_the_settings_of_an_address_name_the_server():
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:1: cannot be reached"):
        filesystems.filesystem_of("s3://posts/out?endpoint_override=127.0.0.1:1&scheme=http")


def test_an_address_that_is_none(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://[")
    with pytest.raises(UsageError, match="cannot be"):
        filesystems.filesystem_of("s3://posts")


def test_the_hub_needs_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    (row,) = rows(["hf://datasets/me/posts/in"])
    assert isinstance(row.error, MissingExtra)
    assert "pip install huggingface_hub" in str(row.error)


@pytest.mark.parametrize(("credentials", "expected"), [(True, "posts"), (False, "anonymous@posts")])
def test_stores_of_google_are_read_as_anybody_may_where_there_are_no_credentials(monkeypatch, credentials, expected):
    monkeypatch.setattr(filesystems, "_has_google_credentials", lambda: credentials)
    assert filesystems._google("posts", "https://storage.googleapis.com") == f"{expected}?retry_limit_seconds=120"


def test_credentials_of_google_are_a_file_or_the_server_of_its_machines(monkeypatch, tmp_path):
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GCE_METADATA_HOST", "nowhere.invalid")
    assert not filesystems._has_google_credentials()
    (tmp_path / "application_default_credentials.json").touch()
    assert filesystems._has_google_credentials()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "x.json")
    assert filesystems._has_google_credentials()


def test_an_own_server_needs_no_region(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOBODY)
    assert filesystems._amazon("posts", NOBODY) == "posts?allow_delayed_open=true&region=us-east-1"
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert filesystems._amazon("posts", NOBODY) == "posts?allow_delayed_open=true"


def test_errors_of_http_are_errors_of_files():
    import httpx2

    def unplugged():
        raise httpx2.ReadError("unplugged")

    with pytest.raises(OSError, match="ReadError: unplugged"):
        filesystems._with_os_errors(unplugged)()
