"""Metrics of captions and of class probabilities, with intervals and tests."""
