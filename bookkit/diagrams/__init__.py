"""Drawings of the book that depend on no data: committed as SVG, drawn anew by `__main__`."""
