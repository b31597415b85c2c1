"""METEOR against pycocoevalcap's, figure for figure; and a program that stops, or answers nonsense."""

from __future__ import annotations

import random
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from imagist.errors import MissingExtra, UsageError
from imagist.metrics import meteor as meteor_module
from imagist.metrics.meteor import COUNTS, meteor, meteor_of_totals, meteor_rows, stop
from imagist.metrics.ptb import tokenize

needs_java = pytest.mark.skipif(
    not (shutil.which("java") and find_spec("pycocoevalcap")), reason="needs java and pycocoevalcap's jar"
)

WORDS = [
    "a",
    "dog",
    "dogs",
    "runs",
    "running",
    "on",
    "the",
    "grass",
    "lawn",
    "two",
    "men",
    "people",
    "play",
    "playing",
    "café",
    "it's",
    "of",
    "22\xa03/4",
    "-lrb-",
    "#",
]


def made_up(items: int) -> tuple[list[str], list[list[str]]]:
    draw = random.Random(0)

    def sentence() -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(0, 8)))

    hypotheses = [sentence() for _ in range(items)]
    references = [[sentence() for _ in range(draw.randint(1, 5))] for _ in range(items)]
    for n in range(0, items, 7):
        references[n][0] = hypotheses[n]  # whole matches have no chunks when they are added up
    return ["", "a dog runs", "a dog", *hypotheses], [["a dog"], [""], ["a dog"], *references]


@pytest.fixture(scope="module")
def theirs():
    """pycocoevalcap's METEOR of the corpus and of each item."""
    program = pytest.importorskip("pycocoevalcap.meteor.meteor").Meteor()

    def score(hypotheses, references):
        said = {n: [hypothesis] for n, hypothesis in enumerate(hypotheses)}
        return program.compute_score(dict(enumerate(references)), said)

    yield score
    program.meteor_p.stdin.close()
    program.meteor_p.wait()
    program.meteor_p.stdout.close()
    program.meteor_p.stderr.close()
    type(program).__del__ = lambda self: None  # it would close them once more


@pytest.fixture
def fresh():
    """No program runs before or after."""
    stop()
    yield
    stop()


@pytest.fixture
def fake_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a Python program in the place of java."""

    def put(program: str, interpreter: str = f"{sys.executable} -u") -> None:
        fake = tmp_path / "java"
        fake.write_text(f"#!{interpreter}\n{program}\n")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(meteor_module, "jar", lambda metric, name: tmp_path / "meteor.jar")

    return put


@needs_java
@pytest.mark.slow
def test_is_pycocoevalcaps_meteor(theirs) -> None:
    hypotheses, references = made_up(40)
    corpus, each = meteor(hypotheses, references)
    expected, expected_each = theirs(hypotheses, references)
    assert corpus == pytest.approx(expected, abs=1e-12)
    assert each == pytest.approx(expected_each, abs=1e-12)
    assert each[:3].tolist() == [0, 0, 1]
    index = np.random.default_rng(0).integers(len(hypotheses), size=30)
    resampled = [hypotheses[i] for i in index], [references[i] for i in index]
    rows = meteor_rows(hypotheses, references)
    assert meteor_of_totals(rows[index].sum(axis=0)) == pytest.approx(theirs(*resampled)[0], abs=1e-12)


@needs_java
@pytest.mark.slow
@pytest.mark.data
def test_is_pycocoevalcaps_meteor_on_the_captions_of_dev(theirs, data: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    captions = parquet.read_table(data / "flickr8k/dev.parquet", columns=["captions"])["captions"].to_pylist()
    said = [[" ".join(tokenize(sentence)) for sentence in of] for of in captions]
    hypotheses, references = [of[0] for of in said], [of[1:] for of in said]
    corpus, each = meteor(hypotheses, references)
    expected, expected_each = theirs(hypotheses, references)
    assert corpus == pytest.approx(expected, abs=1e-12)
    assert each == pytest.approx(expected_each, abs=1e-12)


@needs_java
@pytest.mark.slow
def test_lines_in_sentences_and_the_programs_own_sign_do_not_confuse_it() -> None:
    tame, wild = meteor(["a dog runs"], [["a dog runs fast"]]), meteor(["a\ndog\r|||runs"], [["a dog ||| runs fast"]])
    assert wild[0] == tame[0]


ECHO = """\
import sys
for line in sys.stdin:
    print(len(line), *[1] * 22, flush=True)
"""


def test_an_interrupted_question_leaves_no_answer_behind(fresh, fake_java, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(ECHO)
    expected = meteor_rows(["a cat"], [["a cat sits"]]).tolist()
    read = meteor_module._Program._answer

    def interrupted(self, line: str) -> str:
        self._process.stdin.write("SCORE ||| asked, and never answered\n")
        self._process.stdin.flush()
        raise KeyboardInterrupt

    monkeypatch.setattr(meteor_module._Program, "_answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        meteor(["a dog"], [["two men"]])
    monkeypatch.setattr(meteor_module._Program, "_answer", read)
    assert meteor_rows(["a cat"], [["a cat sits"]]).tolist() == expected


def test_one_program_answers_all_questions(fresh, fake_java) -> None:
    fake_java(ECHO)
    meteor_rows(["a"], [["b"]])
    program = meteor_module._running
    assert meteor_rows(["a", "b"], [["b"], ["c", "d"]]).shape == (2, COUNTS)
    assert meteor_module._running is program is not None
    stop()
    assert meteor_module._running is None


def test_nothing_matched_is_nothing_and_nothing_at_all_too() -> None:
    assert meteor_of_totals(np.zeros(COUNTS)) == 0
    assert meteor_of_totals(np.zeros((3, 2, COUNTS))).shape == (3, 2)


@pytest.mark.parametrize(("hypotheses", "references"), [([], []), (["a"], [[]]), (["a", "b"], [["a"]])])
def test_refuses_what_does_not_fit_without_starting_java(hypotheses, references, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError):
        meteor(hypotheses, references)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; sys.exit('Error: heap too small')", "Error: heap too small"),
        ("print('Error: no such thing'); import time; time.sleep(60)", "no such thing"),
        ("print('1 2 3'); import time; time.sleep(60)", "1 2 3"),
        ("", "without a message"),
    ],
)
def test_a_program_that_fails_is_an_error_with_its_own_words(program: str, message: str, fresh, fake_java) -> None:
    fake_java(program)
    with pytest.raises(MissingExtra, match=message):
        meteor(["a dog"], [["a cat"]])
    assert meteor_module._running is None


def test_a_program_that_cannot_be_run_is_an_error(fresh, fake_java) -> None:
    fake_java("", interpreter="/nowhere/at/all")
    with pytest.raises(MissingExtra, match="No such file"):
        meteor(["a dog"], [["a cat"]])
