"""SPICE as far as it goes without its parser: what is asked, what is made of the answer, what is said when it fails."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from imagist.errors import MissingExtra, UsageError
from imagist.metrics import spice as spice_module
from imagist.metrics.spice import PARSER, spice

FAKE = """\
import json, sys
asked = json.load(open(sys.argv[5], encoding="utf-8"))
assert sys.argv[6:] == ["-out", sys.argv[7], "-subset", "-silent"]
scores = lambda item: {"All": {"f": len(item["test"]) / 10, "pr": 1, "re": 1}, "Color": {"f": None}}
answer = [{"image_id": item["image_id"], "scores": scores(item)} for item in reversed(asked)]
json.dump(answer, open(sys.argv[7], "w"))
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a Python script in the place of java, with the jars it asks for."""

    def put(script: str) -> None:
        (tmp_path / "lib").mkdir()
        for name in (*(f"lib/{name}" for name in PARSER), "spice-1.0.jar"):
            (tmp_path / name).touch()
        fake = tmp_path / "java"
        fake.write_text(f"#!{sys.executable}\n{script}")
        fake.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(spice_module, "jar", lambda metric, name: tmp_path / "spice-1.0.jar")

    return put


def test_scores_come_back_in_the_order_of_the_items(program) -> None:
    program(FAKE)
    mean, each = spice(["abc", "é", ""], [["x"], ["y", "z"], ["w"]])
    assert each.tolist() == [0.3, 0.1, 0.0]
    assert mean == pytest.approx(0.4 / 3)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import sys; sys.exit('java.lang.OutOfMemoryError: heap')", "OutOfMemoryError"),
        ("print('silence')", "silence"),
        ("import sys; open(sys.argv[7], 'w').write('[]')", "KeyError"),
        ("import sys; open(sys.argv[7], 'w').write('not json')", "JSONDecodeError"),
    ],
)
def test_a_program_that_fails_is_an_error_with_its_own_words(script: str, message: str, program) -> None:
    program(script)
    with pytest.raises(MissingExtra, match=message):
        spice(["a"], [["b"]])


def test_without_the_parser_it_says_where_to_get_it(program, tmp_path: Path) -> None:
    program(FAKE)
    (tmp_path / "lib" / PARSER[1]).unlink()
    with pytest.raises(MissingExtra, match=f"{PARSER[1]}.*get_stanford_models") as caught:
        spice(["a"], [["b"]])
    assert PARSER[0] not in str(caught.value)


@pytest.mark.skipif(not (shutil.which("java") and find_spec("pycocoevalcap")), reason="needs java and pycocoevalcap")
def test_the_real_program_is_found_and_asks_for_nothing_but_its_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    program = spice_module._program
    try:
        program()
    except MissingExtra:
        monkeypatch.setattr(spice_module, "PARSER", ())
        with pytest.raises(MissingExtra, match="edu/stanford/nlp"):
            spice(["a dog"], [["a dog"]])
    else:
        assert spice(["a dog runs on grass"], [["a dog runs on grass"]])[0] == 1


@pytest.mark.parametrize(("hypotheses", "references"), [([], []), (["a"], [[]]), (["a", "b"], [["a"]])])
def test_refuses_what_does_not_fit(hypotheses, references) -> None:
    with pytest.raises(UsageError):
        spice(hypotheses, references)
