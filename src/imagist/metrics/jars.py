"""Finds Java and pycocoevalcap's programs for METEOR and SPICE, which exist only as Java programs.

The package pycocoevalcap contains ``meteor-1.5.jar`` and ``spice-1.0.jar``; its own code is not run.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from imagist.errors import MissingExtra

_WITHOUT = "or leave it out (--no-java)"


def java(metric: str) -> str:
    """The Java program.

    Args:
        metric: Needs it; named in the message.

    Raises:
        MissingExtra: It is not on the path.
    """
    found = shutil.which("java")
    if found is None:
        remedy = f"install a Java runtime, such as apt-get install default-jre-headless, {_WITHOUT}"
        raise MissingExtra(f"{metric} is a Java program, and java is not on the path", remedy=remedy)
    return found


def jar(metric: str, name: str) -> Path:
    """One of pycocoevalcap's jars, such as ``meteor/meteor-1.5.jar``.

    Raises:
        MissingExtra: The package is not installed, or lacks the jar.
    """
    package = find_spec("pycocoevalcap")
    for place in (package and package.submodule_search_locations) or ():
        if (path := Path(place) / name).is_file():
            return path
    remedy = f"pip install 'imagist[metrics]', {_WITHOUT}"
    raise MissingExtra(f"{metric} needs {Path(name).name} of the package pycocoevalcap", remedy=remedy)


def broken(metric: str, output: str) -> MissingExtra:
    """The error for a program that failed.

    Args:
        metric: The metric.
        output: Of the program; the error quotes the first line with an error, or else the first line.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    quoted = [line for line in lines if "Error" in line or "Exception" in line] or lines
    reason = f": {quoted[0][:300]}" if quoted else " without a message"
    return MissingExtra(f"{metric}'s Java program stopped{reason}", remedy=f"check the Java installation, {_WITHOUT}")
