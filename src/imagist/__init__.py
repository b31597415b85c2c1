"""imagist: understands photographs by putting them into words."""

__version__ = "0.1.0"
