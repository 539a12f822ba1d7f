"""Measures LLM inference engines against each other; knows nothing of Snakemake."""

import sys

if sys.argv[:1] == ["-m"]:  # a stage is being started, and has yet to load what it needs
    from benchmark_runner.errors import tell_unstarted

    sys.excepthook = tell_unstarted
