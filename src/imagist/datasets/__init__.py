"""Sources to examples: captioned images (`captions.read`), labelled images (`labels.read`), folds, near-duplicates.

A source is a table, a folder of class folders or a published data set; a format is a module of `formats` and a line of
the registry.
"""
