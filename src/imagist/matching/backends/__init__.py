"""One module for each kind of matcher."""
