"""Tables and folders to examples: captioned images, labelled images, folds, near-duplicates."""
