"""What the tests of all Rust adapters do: run the crate's own tests, and generate with the embedded model."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.build.rust import cargo_environment
from benchmark_runner.configuration.cache import own_cache

PEAK_RSS_BYTES = 1_150_000_000
"""The weights (538 MB) twice, mapped and copied, and a little: more would be a leak or another copy."""


def run_cargo_tests(crate: Path, environment: Mapping[str, str], *more: str) -> None:
    """Run `cargo test` in a crate."""
    done = subprocess.run(
        ["cargo", "test", "--locked", "--quiet", *more],
        cwd=crate,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]


def run_adapter_tests(folder: Path) -> None:
    """Run an adapter's own tests with its build's settings, so that the crates below it are not compiled again."""
    adapter = load_adapter(folder)
    run_cargo_tests(folder, cargo_environment(adapter, own_cache()), "--release")
