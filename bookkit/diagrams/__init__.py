"""Drawings of the book that depend on no data: committed, and drawn anew by `__main__`."""
