"""The documents agree with the code."""

import re
import subprocess
import sys
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


@pytest.mark.torch
def test_the_settings_are_those_of_the_code() -> None:
    pytest.importorskip("torch")
    from imagist.cli import settings_reference

    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == settings_reference.reference(), "run `make docs`"


@pytest.mark.torch
def test_every_setting_has_a_meaning() -> None:
    pytest.importorskip("torch")
    from imagist.cli import settings_reference

    rows = [line for line in settings_reference.reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith("|  |")] == []


def test_the_site_builds_and_no_link_is_broken(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.relative_to(ROOT / "docs").with_suffix("") for path in (ROOT / "docs").rglob("*.md")}
    assert all((tmp_path / "site" / page / "index.html").exists() for page in pages - {Path("index")})


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
