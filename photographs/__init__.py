"""Real photographs: Karpathy's splits, grid features, retrieval models trained on the captions."""
