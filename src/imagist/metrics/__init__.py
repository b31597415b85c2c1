"""Figures of merit: strings and arrays in, numbers out."""
