"""From pixels to features: a frozen trunk, a detector on top of it, and shipped weights."""
