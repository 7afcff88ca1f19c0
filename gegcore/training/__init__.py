"""Training: cross-entropy, self-critical, and the loop that both share."""
