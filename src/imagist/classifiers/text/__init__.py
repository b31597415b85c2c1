"""Backends that classify sentences."""
