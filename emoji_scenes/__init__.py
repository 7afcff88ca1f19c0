"""The embedded world: scenes of emojis, its annotators, its CLIPs and judges, and its truth."""
