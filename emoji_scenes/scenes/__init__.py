"""What a scene is, how it is painted, and what is said of it."""
