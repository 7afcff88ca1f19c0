"""The CLIP of the embedded world: an open_clip model, its BPE, and the script that trains it."""
