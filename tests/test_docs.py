"""The documents agree with the code."""

import re
from pathlib import Path

import pytest
import yaml

import imagist
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


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md", ".ci/run", ".github/workflows/tests.yml"])
def test_named_make_targets_exist(file: str) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", (ROOT / file).read_text("utf-8")))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)

    assert phony
    assert named
    assert named <= {*phony[1].split()}


def test_the_workflow_tests_every_supported_python_with_the_lock() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8"))["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}

    assert commands == {"locked": ["make check", "make test"], "newest": ["make test-latest"]}
    assert jobs["locked"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))

    assert citation["cff-version"] == "1.2.0"
    assert {"message", "authors"} <= {*citation}
    assert (citation["title"], citation["version"]) == ("imagist", imagist.__version__)
