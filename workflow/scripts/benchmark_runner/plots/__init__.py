"""The four plots: one PNG a command, the same bytes for the same data."""
