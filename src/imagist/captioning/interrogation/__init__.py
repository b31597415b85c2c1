"""Interrogation: a caption, and the phrases of tables that fit the image by image-text similarity."""
