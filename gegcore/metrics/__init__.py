"""Every metric of the paper, for any captions."""
