"""The answer in a page: summary.json and comparison_table.md."""
