"""The lock covers every dependency of every extra on every supported Python, with names and versions only."""

from __future__ import annotations

import re
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("packaging")

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PYTHONS = ("3.11", "3.12", "3.13")
EXTRAS = {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}


def applies(requirement: Requirement, python: str) -> bool:
    environment = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux"}
    return requirement.marker is None or requirement.marker.evaluate(environment)


def locked(python: str) -> dict[str, str]:
    pins = [pin for pin in map(Requirement, LINES) if applies(pin, python)]
    names = [canonicalize_name(pin.name) for pin in pins]
    assert len({*names}) == len(names)
    return {name: str(pin.specifier).removeprefix("==") for name, pin in zip(names, pins, strict=True)}


def test_a_line_is_a_name_a_version_and_perhaps_a_marker() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+( ; [^/@]+)?", line)] == []


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", EXTRAS)
def test_every_dependency_has_a_version_that_fits(extra: str, python: str) -> None:
    pins = locked(python)
    for requirement in map(Requirement, EXTRAS[extra]):
        if requirement.name != PROJECT["name"] and applies(requirement, python):
            version = pins.get(canonicalize_name(requirement.name))
            assert version, f"{requirement.name} is not in constraints.txt: run `make lock`"
            assert requirement.specifier.contains(version), f"{requirement} excludes the lock's {version}"


@pytest.mark.network
@pytest.mark.skipif(not find_spec("uv"), reason="uv is not installed")
def test_every_supported_python_can_install_the_lock() -> None:
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "compile", "pyproject.toml", "--all-extras", "--constraints", "constraints.txt"]
    command += ["--only-binary", ":all:", "--quiet", "--python-version"]
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(subprocess.run, [*command, python], cwd=ROOT, capture_output=True) for python in PYTHONS]
    faults = [run.result().stderr.decode() for run in runs if run.result().returncode]

    if any("No solution found" not in fault or "network was disabled" in fault for fault in faults):
        pytest.skip(f"the package index cannot be reached: {faults}")
    assert faults == []
