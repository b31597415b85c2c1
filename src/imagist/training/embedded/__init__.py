"""The embedded model: the recipes and data behind ``make train-embedded``."""
