"""SPICE (Anderson et al. 2016), by its authors' Java program as pycocoevalcap runs it.

The program parses sentences with Stanford CoreNLP 3.6.0 (half a gigabyte), which pycocoevalcap downloads from
Stanford's site. Parsed references are not cached between calls, because the program's cache needs Java 8.

Shapes: N items, each a hypothesis and one or more references. Sentences are tokens separated by single spaces.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from imagist.arrays import Floats
from imagist.errors import MissingExtra, UsageError
from imagist.metrics.jars import broken, jar, java
from imagist.metrics.ngrams import check_references

PARSER = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
_HEAP = "8G"  # as pycocoevalcap asks
_FETCH = "from pycocoevalcap.spice.get_stanford_models import get_stanford_models as fetch; fetch()"


def spice(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> tuple[float, Floats]:
    """SPICE, 0..1: its mean over the items, and that of each, float64 ``[N]``.

    Raises:
        UsageError: No items, an item without a reference, or not one hypothesis an item.
        MissingExtra: Java, pycocoevalcap or the parser is not installed, or the program stopped.
    """
    check_references(references)
    if len(hypotheses) != len(references):
        raise UsageError(f"{len(hypotheses)} hypotheses for {len(references)} items", remedy="give one for each")
    command = [java("SPICE"), f"-Xmx{_HEAP}", "-Dfile.encoding=UTF-8", "-jar", str(_program())]
    pairs = zip(hypotheses, references, strict=True)
    items = [{"image_id": n, "test": caption, "refs": list(others)} for n, (caption, others) in enumerate(pairs)]
    with tempfile.TemporaryDirectory() as folder:
        questions, answers = Path(folder, "in.json"), Path(folder, "out.json")
        questions.write_text(json.dumps(items), "utf-8")
        each = _run([*command, str(questions), "-out", str(answers), "-subset", "-silent"], answers, len(items))
    return float(each.mean()), each


def _program() -> Path:
    program = jar("SPICE", "spice/spice-1.0.jar")
    missing = [name for name in PARSER if not (program.parent / "lib" / name).is_file()]
    if missing:
        raise MissingExtra(
            f"SPICE needs Stanford CoreNLP 3.6.0: {' and '.join(missing)} in {program.parent / 'lib'}",
            remedy=f"on a machine with internet: python -c '{_FETCH}' (400 MB), or leave it out (--no-java)",
        )
    return program


def _run(command: list[str], answers: Path, items: int) -> Floats:
    """F over all tuples of each item, in order."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if ended.returncode or not answers.is_file():
            raise broken("SPICE", ended.stderr or ended.stdout)
        scores = {
            item["image_id"]: float(item["scores"]["All"]["f"]) for item in json.loads(answers.read_text("utf-8"))
        }
        return np.array([scores[n] for n in range(items)])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise broken("SPICE", f"{type(error).__name__} in its output: {error}") from error
