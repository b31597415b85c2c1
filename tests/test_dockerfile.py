"""The Dockerfile of the service, as far as it can be checked without building it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from imagist.cli.main import command_parser

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
STEPS = [tuple(line.split(" ", 1)) for line in TEXT.splitlines() if line and not line.startswith("#")]
BUILD, SERVE = (stage.splitlines() for stage in re.split(r"^(?=FROM )", TEXT, flags=re.MULTILINE)[1:])


def values(name: str) -> list[str]:
    return [value for step, value in STEPS if step == name]


def test_what_the_package_is_built_from_is_copied() -> None:
    copied = {Path(each) for line in BUILD if line.startswith("COPY ") for each in line.split()[1:-1]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", "constraints.txt", "LICENSE", project["project"]["readme"]}
    needed |= {Path(each).parts[0] for each in (*wheel["packages"], *wheel["force-include"])}
    assert all((ROOT / each).exists() for each in copied)
    assert {Path(each) for each in needed} <= copied


def test_the_extras_exist() -> None:
    (asked,) = re.findall(r"'\.\[([a-z,]+)\]'", TEXT)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {*asked.split(",")} <= {*project["optional-dependencies"]}


def test_it_does_not_run_as_root_and_serves_what_the_probe_asks() -> None:
    (user,), (entry,), (port,) = values("USER"), values("ENTRYPOINT"), values("EXPOSE")
    assert int(user) > 0
    assert SERVE.index(f"USER {user}") < SERVE.index(f"ENTRYPOINT {entry}")
    program, command, *words = json.loads(entry)
    assert program == "imagist"
    options = command_parser(command).parse_args(words)
    assert (options.host, options.port) == ("0.0.0.0", int(port))
    (probe,) = values("HEALTHCHECK")
    assert f"http://127.0.0.1:{port}/readyz" in json.loads(probe.removeprefix("CMD "))[-1]
