"""What a study found, for people: figures as PNG and SVG, tables as Markdown and HTML, one page that holds them all."""
