"""Captions images: decoding, reranking, vocabularies, a cache, descriptions, and the captioners in ``backends``."""
