"""From launches to verdicts: what is estimated, what is tested and what may be said about it."""
