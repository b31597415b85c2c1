"""Captioners x text classifiers x image classifiers x fusions over folds and seeds: one command, one folder."""
