"""Charts of studies, each a record of what it shows and a function that writes it as PNG and SVG; needs matplotlib."""
