"""The public surface: what `import imagist` gives, and what it does not cost."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import imagist

HEAVY = ("torch", "onnxruntime", "pyarrow", "PIL", "numpy", "rich", "pydantic", "jinja2", "httpx2")


def modules_after(statement):
    """The names of all modules that a fresh interpreter holds after a statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("name", imagist.__all__)
def test_every_public_name_resolves(name):
    value = getattr(imagist, name)
    assert name == "__version__" or value.__name__ == name


def test_the_names_are_sorted_and_listed():
    assert list(imagist.__all__) == sorted(imagist.__all__)
    assert dir(imagist) == sorted(imagist.__all__)
    assert {*imagist.__all__} == {*imagist._HOMES, "__version__"}


def test_type_checkers_see_the_same_names():
    block = Path(imagist.__file__).read_text("utf-8").partition("if TYPE_CHECKING:")[2].partition("__version__ =")[0]
    named = {
        name.strip()
        for line in block.splitlines()
        if " import " in line
        for name in line.split(" import ")[1].split(",")
    }
    assert named == {*imagist._HOMES}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        imagist.nothing  # noqa: B018


def test_importing_it_is_light():
    assert not modules_after("import imagist") & {*HEAVY}


@pytest.mark.parametrize("module", ["errors", "records", "protocols", "registry", "bundle", "engine", "cli.main"])
def test_the_ground_floors_load_no_runtime(module):
    assert not modules_after(f"import imagist.{module}") & {"torch", "onnxruntime", "pyarrow", "pydantic"}


def test_predicting_needs_neither_torch_nor_pyarrow():
    after = modules_after("import imagist, numpy\nlist(imagist.load()([numpy.zeros((8, 8, 3), 'uint8')]))")
    assert "onnxruntime" in after
    assert not after & {"torch", "pyarrow", "onnx", "sklearn", "scipy", "httpx2", "jinja2", "pydantic"}


def test_the_version_is_the_project_s():
    project = Path(__file__).parent.parent / "pyproject.toml"
    assert tomllib.loads(project.read_text("utf-8"))["project"]["version"] == imagist.__version__
