"""What each call of Snakemake and each launch imports: packages that take long are left to the stages that use them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = {"jsonschema", "numpy", "pandas", "pyarrow", "scipy"}


def of_rules(repository: Path) -> list[str]:
    """Modules of the library that the rules import."""
    texts = [path.read_text(encoding="utf-8") for path in (repository / "workflow" / "rules").glob("*.smk")]
    return sorted({name for text in texts for name in re.findall(r"^from (benchmark_runner[\w.]*) import", text, re.M)})


@pytest.mark.parametrize("who", ["snakemake", "launch"])
def test_what_starts_often_imports_nothing_slow(repository: Path, who: str) -> None:
    modules = of_rules(repository) if who == "snakemake" else ["benchmark_runner.launch.__main__"]
    assert modules
    told = f"import sys, {', '.join(modules)}; print(*({SLOW!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", told],
        env={"PYTHONPATH": str(repository / "workflow" / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == []


def test_no_plugin_that_few_need_comes_with_the_workflow(repository: Path) -> None:
    # Snakemake imports each that is installed in each of its calls, the one for Slurm with pandas.
    lock = (repository / "envs" / "workflow.txt").read_text(encoding="utf-8")
    assert "\nsnakemake==" in lock
    assert "\nsnakemake-executor-plugin" not in lock
    assert "\nsnakemake-executor-plugin-slurm==" in (repository / "envs" / "slurm.txt").read_text(encoding="utf-8")
