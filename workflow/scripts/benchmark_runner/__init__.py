"""Measures LLM inference engines against each other; knows nothing of Snakemake."""
