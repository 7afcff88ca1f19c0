"""The CLIPs of the embedded world."""
