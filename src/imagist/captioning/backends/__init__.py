"""Backends that write a sentence about a photo; chosen by name in `imagist.registry`."""
