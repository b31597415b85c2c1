"""Recipes that make the models; they need the torch extra."""
