"""From the record of a launch to the table of iterations."""
