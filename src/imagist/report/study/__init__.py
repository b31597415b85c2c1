"""The report of a study: tables for programs, charts as PNG and SVG, and one page."""
