"""Before and after: two campaigns, or two files of another tool, that did not run side by side."""
