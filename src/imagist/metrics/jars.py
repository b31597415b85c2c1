"""Where Java and pycocoevalcap's programs are, for the two metrics that exist as Java programs only.

The package pycocoevalcap carries ``meteor-1.5.jar`` and ``spice-1.0.jar``; none of its own code is run.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from imagist.errors import MissingExtra

_WITHOUT = "or go without it (--no-java)"


def java(metric: str) -> str:
    """The program that runs jars.

    Args:
        metric: What needs it, for the message.

    Raises:
        MissingExtra: There is none on the path.
    """
    found = shutil.which("java")
    if found is None:
        remedy = f"install a Java runtime, such as apt-get install default-jre-headless, {_WITHOUT}"
        raise MissingExtra(f"{metric} is a Java program, and there is no java on the path", remedy=remedy)
    return found


def jar(metric: str, name: str) -> Path:
    """One of pycocoevalcap's jars, such as ``meteor/meteor-1.5.jar``.

    Raises:
        MissingExtra: The package is not installed, or lacks it.
    """
    package = find_spec("pycocoevalcap")
    for place in (package and package.submodule_search_locations) or ():
        if (path := Path(place) / name).is_file():
            return path
    remedy = f"pip install 'imagist[metrics]', {_WITHOUT}"
    raise MissingExtra(f"{metric} needs {Path(name).name} of the package pycocoevalcap", remedy=remedy)


def broken(metric: str, said: str) -> MissingExtra:
    """The error for a program that is there and did not do its work.

    Args:
        metric: What it was to compute.
        said: Its messages, of which the first line that speaks of an error is quoted, or else the first.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "Error" in line or "Exception" in line] or lines
    reason = f": {telling[0][:300]}" if telling else " without a word"
    return MissingExtra(f"{metric}'s Java program stopped{reason}", remedy=f"see to java, {_WITHOUT}")
