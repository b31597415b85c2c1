"""Published checkpoints: loads them, and writes captions with the `generate` method of transformers.

Importing anything from here needs the torch extra.
"""

from __future__ import annotations

from importlib import import_module

from imagist.errors import MissingExtra

for _name in ("transformers", "safetensors", "torch"):
    try:
        import_module(_name)
    except ImportError as error:
        raise MissingExtra(
            "published models need a library that is not installed", item=_name, remedy="pip install 'imagist[torch]'"
        ) from error
