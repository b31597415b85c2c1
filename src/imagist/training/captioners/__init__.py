"""Training of captioners: a recipe, from captioned images to a bundle."""
