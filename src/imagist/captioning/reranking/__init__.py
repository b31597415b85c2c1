"""Rerankers choose among an image's caption hypotheses."""
