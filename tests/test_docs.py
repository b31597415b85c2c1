"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from imagist.cli.main import COMMANDS
from imagist.cli.reference import reference

ROOT = Path(__file__).parents[1]
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def test_cli_reference_names_every_command_and_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    written, current = (ROOT / "docs" / "cli.md").read_text("utf-8"), reference()

    assert set(OPTION.findall(written)) == set(OPTION.findall(current)), "run `make docs`"
    assert re.findall(r"^## .*", written, re.M) == re.findall(r"^## .*", current, re.M), "run `make docs`"
    assert all(f"imagist {name}" in written for name in COMMANDS)


def test_architecture_names_every_floor() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    floors = {
        path.name
        for path in (ROOT / "src" / "imagist").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    assert {name for name in floors - {"__main__.py"} if f"`{name}" not in text} == set()


def test_every_make_target_is_explained() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.M)

    assert phony
    assert {t for t in phony[1].split() if not re.search(rf"^{t}:.*## ", text, re.M)} == set()
