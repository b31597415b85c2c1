from __future__ import annotations

import subprocess
import sys
import tarfile

import pytest

from imagist.bundle import list_bundles, open_bundle
from imagist.serving.sagemaker.package import ARCHIVE, dockerfile, package


def test_the_model_is_what_lies_in_the_archive(tmp_path):
    (bundle,) = list_bundles()
    archive, file = package(bundle, tmp_path / "a")
    again, _ = package(bundle, tmp_path / "b")
    assert archive.read_bytes() == again.read_bytes()
    with tarfile.open(archive) as tar:
        assert {member.mode for member in tar.getmembers()} == {0o644}
        tar.extractall(tmp_path / "model", filter="data")
    assert [part.version for part in open_bundle(tmp_path / "model").folders()] == [p.version for p in bundle.folders()]
    assert archive.name == ARCHIVE
    assert file.read_text("utf-8") == dockerfile()


def test_the_dockerfile_follows_the_contract():
    text = dockerfile()
    assert 'ENTRYPOINT ["imagist", "sagemaker"]' in text
    assert "accept-bind-to-port=true" in text
    assert "{" not in text.replace("${", "").replace("{serve", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
@pytest.mark.parametrize(
    ("asked", "installed"), [("imagist", "imagist[fit,serve]==0.1.0"), ("./a-1.whl", "./a-1.whl[fit,serve]")]
)
def test_the_dockerfile_installs_what_is_asked_for(asked, installed):
    lines = dockerfile().split("RUN --mount=type=bind,target=/build cd /build ", 1)[1].split("\nWORKDIR")[0]
    script = f'IMAGIST={asked}; pip() {{ echo "$3"; }}; : {lines}'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == installed
