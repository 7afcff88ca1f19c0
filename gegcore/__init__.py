"""gegcore: distinctive image captioning by CLIP-guided group optimisation, in readable pieces."""

__version__ = "0.1.0"
