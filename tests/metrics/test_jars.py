"""What is said where Java, its programs or their good health are missing."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from imagist.errors import MissingExtra
from imagist.metrics import jars


def test_without_java_the_remedy_is_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingExtra, match=r"METEOR is a Java program.*default-jre-headless.*--no-java"):
        jars.java("METEOR")


def test_without_the_package_the_remedy_is_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"spice-1\.0\.jar.*imagist\[metrics\]"):
        jars.jar("SPICE", "spice/spice-1.0.jar")


def test_a_jar_is_found_in_the_package_and_missed_where_it_is_not(tmp_path: Path, monkeypatch) -> None:
    package = ModuleSpec("pycocoevalcap", None, is_package=True)
    package.submodule_search_locations = [str(tmp_path / "none"), str(tmp_path)]
    monkeypatch.setattr(jars, "find_spec", lambda name: package)
    (tmp_path / "a.jar").touch()
    assert jars.jar("SPICE", "a.jar") == tmp_path / "a.jar"
    with pytest.raises(MissingExtra):
        jars.jar("SPICE", "b.jar")


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("", " without a message"),
        ("\nbad heap\n", ": bad heap"),
        ('noise\nException in thread "main" Oops\n\tat a.b.C\n\t... 3 more\n', ': Exception in thread "main" Oops'),
    ],
)
def test_a_program_that_stopped_is_quoted(said: str, quoted: str) -> None:
    assert f"Java program stopped{quoted}" in str(jars.broken("SPICE", said))
