"""Training of captioners: one recipe from captioned images to a bundle."""
