"""Recipes that fit classifiers of words and of images to labelled examples."""
