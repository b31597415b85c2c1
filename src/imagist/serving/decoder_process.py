"""A process that decodes images and does nothing else: ``python -m imagist.serving.decoder_process``.

Reads requests from standard input and answers each on standard output:

- a request is 8 bytes, the length of the encoded image in big-endian order, and the image;
- an answer is 4 bytes, the length of a JSON object in the same order, the object, and after ``{"shape": [H, W, 3],
  "size": [width, height]}`` the pixels. ``{"error": kind, "message": ..., "remedy": ...}`` has none.

Nothing is pickled: what damaged bytes may do to this process must not reach the one that reads its answers.
"""

from __future__ import annotations

import json
import os
import sys
from typing import BinaryIO

from imagist.errors import ImagistError, ItemError
from imagist.images.decode import DecodeLimits, decode

MEMORY = 4 << 30
"""Most memory that the process may reserve, in bytes, where the system can limit it."""
READY = b"ready"
"""What it writes first."""


def main() -> None:
    """Decodes until standard input ends. The only argument is `DecodeLimits` in JSON."""
    limits = DecodeLimits(**json.loads(sys.argv[1]))
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    _restrict()
    answers.write(READY)
    answers.flush()
    while len(head := requests.read(8)) == 8:
        content = requests.read(int.from_bytes(head, "big"))
        _answer(content, limits, answers)
        answers.flush()


def _answer(content: bytes, limits: DecodeLimits, answers: BinaryIO) -> None:
    try:
        photo = decode(content, limits=limits)
    except ItemError as error:
        _head({"error": error.kind, "message": error.message, "remedy": error.remedy}, answers)
        return
    _head({"shape": photo.pixels.shape, "size": photo.size}, answers)
    answers.write(photo.pixels.tobytes())


def _head(fields: dict[str, object], answers: BinaryIO) -> None:
    text = json.dumps(fields).encode()
    answers.write(len(text).to_bytes(4, "big") + text)


def _restrict() -> None:
    """Bounds its memory, and keeps it from writing files and core dumps, where the system can do that."""
    try:
        import resource
    except ImportError:
        return
    for limit, most in (("RLIMIT_AS", MEMORY), ("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0)):
        which = getattr(resource, limit, None)
        if which is not None:
            resource.setrlimit(which, (most, most))


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt, ImagistError):
        sys.exit(1)
