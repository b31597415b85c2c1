"""The house of docs/architecture.md: who may import whom, and how large a module may grow."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import imagist

SOURCE = Path(imagist.__file__).parent
FLOORS = [
    "__init__",
    "errors",
    "arrays",
    "records",
    "protocols",
    "registry",
    "settings",
    "storage",
    "bundle",
    "images",
    "datasets",
    "matching",
    "captioning",
    "classifiers",
    "pipeline",
    "metrics",
    "explanation",
    "training",
    "profiles",
    "study",
    "report",
    "engine",
    "serving",
    "cli",
    "__main__",
]
BACKENDS = ("captioning.backends", "matching.backends", "classifiers.text", "classifiers.image")
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "base", "tools"}
MAX_ENTRIES = 26  # files and folders of code and models; py.typed must lie beside them (PEP 561)
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
MODULES = {".".join(file.relative_to(SOURCE).with_suffix("").parts): file for file in sorted(SOURCE.rglob("*.py"))}


def imports(module):
    """The modules of this package that a module imports when it runs, at the top or inside a function."""
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    checked_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in checked_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if known(name) else str(node.module) for name in submodules}
    return {known(name) for name in found} - {None, module}


def known(name):
    """The module of this package that an imported name is, or None."""
    parts = name.split(".")
    if parts[0] != "imagist":
        return None
    candidates = ".".join(parts[1:]), ".".join([*parts[1:], "__init__"])
    return next((module for module in candidates if module in MODULES), None)


GRAPH = {module: imports(module) for module in MODULES}


def floor(module):
    return module.split(".")[0]


def test_the_graph_is_not_empty():
    assert {"errors", "arrays"} <= GRAPH["records.results"]
    assert any(module.startswith("metrics.") for module in GRAPH["training.captioners.evaluator"])
    assert "pipeline" not in GRAPH["__init__"]
    assert sum(map(len, GRAPH.values())) > 100


def test_every_module_has_its_floor():
    assert sorted({floor(module) for module in MODULES} - {*FLOORS, "models", "taxonomies"}) == []


@pytest.mark.parametrize("module", [module for module in MODULES if floor(module) in FLOORS])
def test_a_module_imports_only_from_above(module):
    place = FLOORS.index(floor(module))
    wrong = [other for other in GRAPH[module] if floor(other) not in FLOORS[: place + 1]]
    assert wrong == []


def backend(module):
    """The folder and the backend in it that a module belongs to, such as captioning.backends and blip, or None."""
    for folder in BACKENDS:
        if module.startswith(f"{folder}."):
            return folder, module.removeprefix(f"{folder}.").split(".")[0]
    return None


def test_backends_do_not_import_their_siblings():
    pairs = [(m, o, backend(m), backend(o)) for m in MODULES for o in GRAPH[m] if backend(m) and backend(o)]
    assert [(m, o) for m, o, one, other in pairs if one[0] == other[0] and one != other] == []


def test_there_are_no_cycles():
    assert len([*TopologicalSorter(GRAPH).static_order()]) == len(MODULES)


def test_the_root_is_small():
    entries = [entry.name for entry in SOURCE.iterdir() if entry.name not in ("__pycache__", "py.typed")]
    assert len(entries) <= MAX_ENTRIES, sorted(entries)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_small_and_has_a_telling_name(module):
    assert not VAGUE & set(module.split("."))
    assert len(MODULES[module].read_text("utf-8").splitlines()) <= MAX_MODULE_LINES


def functions(module):
    """Every function and method of a module: its name and its length in lines."""
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{module}.{node.name}", node.end_lineno - node.lineno + 1


def test_functions_are_short():
    long = {name for module in MODULES for name, lines in functions(module) if lines > MAX_FUNCTION_LINES}
    assert sorted(long) == []


def test_no_source_names_a_folder_of_this_machine():
    for file in (f for f in SOURCE.rglob("*") if f.suffix in {".py", ".toml", ".md", ".html", ".css", ".js"}):
        text = file.read_text("utf-8")
        assert not [word for word in ("shared/data", "/work/", "/home/", "/root/") if word in text], file


def test_nothing_is_pickled():
    for module, file in MODULES.items():
        names = {
            alias.name
            for n in ast.walk(ast.parse(file.read_text("utf-8")))
            if isinstance(n, ast.Import)
            for alias in n.names
        }
        assert not names & {"pickle", "dill", "joblib", "marshal", "shelve"}, module


def test_tests_have_names_of_their_own():
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    assert len({file.name for file in files}) == len(files)
    assert not [*Path(__file__).parent.rglob("__init__.py")]
