"""Names of the invented captioners: one that a page must escape, and the other."""

PLAIN, RICH = "terse <b>", "wordy"
