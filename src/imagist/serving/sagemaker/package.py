"""What a SageMaker model and its image are made of: the tar of a model folder, and a Dockerfile."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

from imagist import __version__
from imagist.bundle import Bundle
from imagist.storage import atomic_write, write_text

ARCHIVE = "model.tar.gz"

_DOCKERFILE = """\
# The image of imagist for Amazon SageMaker: `docker run IMAGE serve` and `docker run IMAGE train`.
# To install another build, put its wheel beside this file and pass --build-arg IMAGIST=./imagist-....whl
FROM python:3.12-slim
ARG IMAGIST=imagist
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
RUN --mount=type=bind,target=/build cd /build \\
 && case "$IMAGIST" in *.whl) wanted="$IMAGIST" ;; *) wanted="$IMAGIST=={version}" ;; esac \\
 && name="${{wanted%%==*}}" && rest="${{wanted#"$name"}}" \\
 && pip install --no-cache-dir "$name[fit,serve]$rest"
WORKDIR /opt/ml
EXPOSE 8080
ENTRYPOINT ["imagist", "sagemaker"]
"""


def dockerfile() -> str:
    """The Dockerfile of an image that serves and trains."""
    return _DOCKERFILE.format(version=__version__)


def package(bundle: Bundle, folder: Path) -> list[Path]:
    """Writes ``model.tar.gz``, which SageMaker unpacks into ``/opt/ml/model``, and a Dockerfile.

    The same model gives the same bytes.

    Args:
        bundle: The model.
        folder: Is made where it is missing.

    Returns:
        What was written.

    Raises:
        OutputError: The folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / ARCHIVE
    with (
        atomic_write(archive) as scratch,
        scratch.open("wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for path in sorted(bundle.path.rglob("*")):
            if path.is_file():
                _add(tar, path, path.relative_to(bundle.path).as_posix())
    write_text(folder / "Dockerfile", dockerfile())
    return [archive, folder / "Dockerfile"]


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = path.stat().st_size, 0o644
    with path.open("rb") as content:
        tar.addfile(entry, content)
