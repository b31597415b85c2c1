"""The service: images over HTTP to captions, categories, descriptions and explanations; ``imagist serve``."""
