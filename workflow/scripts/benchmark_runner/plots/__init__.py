"""The plots: one PNG and SVG a command, the same bytes for the same data."""
