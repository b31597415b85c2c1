"""Captioners x text classifiers x picture classifiers x fusions over folds and seeds: one command, one folder."""
