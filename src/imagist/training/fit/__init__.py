"""``imagist fit``: labelled images to a model with every part. Only parts that are torch models need torch."""
