"""Classifiers of captions and of images, their fusion, calibration and taxonomies."""
