"""Images into words: decoding, reranking, vocabularies, a cache, descriptions, and the backends that write captions."""
