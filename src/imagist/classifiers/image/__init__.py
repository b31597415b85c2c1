"""Backends that classify photos."""
