"""Command lines of the stages: the files of a campaign have the same option and the same words in all of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

FILES: Final = {
    "plan": "plan.json",
    "statistics": "statistical_summary.json",
    "performance": "performance_analysis.json",
    "business": "business_recommendations.json",
    "summary": "summary.json",
    "environment": "environment.json",
    "iterations": "iterations.parquet",
    "samples": "metrics.parquet",
    "prompts": "prompts.json",
    "manifest": "the model's manifest.json",
    "reproduction": "reproduction.md",
    "config": "file with the resolved configuration",
    "engines-folder": "folder with the adapters",
    "looks": "looks.json, which remembers earlier looks",
    "model-dir": "folder with config.json, tokenizer.json and weights",
}
SEVERAL: Final = {"raw": "raw_data/<engine>.json of each engine"}


def command(stage: str, description: str | None, *read: str, **made: str) -> argparse.ArgumentParser:
    """Parser of a stage's command line, with the options of the files that it reads and of those that it makes.

    read names entries of FILES and SEVERAL; made gives the words of the others. All are required.
    """
    parser = argparse.ArgumentParser(prog=f"benchmark_runner.{stage}", description=description)
    for name in read:
        number = "+" if name in SEVERAL else None
        parser.add_argument(
            f"--{name}", type=Path, required=True, nargs=number, help=FILES.get(name, SEVERAL.get(name))
        )
    for name, words in made.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True, help=words)
    return parser
