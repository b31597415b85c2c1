"""Recipes that fit classifiers of words and of pictures to labelled examples."""
