"""What the tests of all Rust adapters do: run the crate's own tests, and generate with the embedded model."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark_runner.build.__main__ import default_cache
from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.build.rust import cargo_environment

PROMPT = [504, 3575, 282, 4649, 314]
"""The capital of France is"""

GREEDY_IDS = [7042, 30, 198, 198, 504, 2988, 314, 42, 216, 34, 32, 33]
"""What generate() of transformers 5.23.0 gives after PROMPT in f32 (greedy, dynamic cache)."""

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
    run_cargo_tests(folder, cargo_environment(adapter, default_cache()), "--release")


@dataclass(frozen=True)
class Generated:
    """What an adapter wrote, by event, and the most memory that it held."""

    events: list[dict[str, Any]]
    peak_rss_bytes: int

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [event for event in self.events if event["event"] == kind]


def generate(binary: Path, model: Path, folder: Path, **changed: Any) -> Generated:
    """Generate 12 tokens after PROMPT, once past each end of sequence and once to the first; changed replaces keys."""
    sampling = {"temperature": 0, "top_p": 1, "seed": 0}
    case = {"prompt_ids": PROMPT, "max_new_tokens": 12, "ignore_eos": True, "eos_ids": [198], "sampling": sampling}
    spec = {
        "protocol": 1,
        "model_dir": str(model),
        "weights": "model.safetensors",
        "dtype": "f32",
        "device": "cpu",
        "threads": 2,
        "max_seq_len": 32,
        "cases": [case, case | {"ignore_eos": False}],
        "warmup_iterations": 0,
        "iterations": 1,
        "load": {"mode": "closed", "concurrency": 1},
        "options": {},
    } | changed
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    command = [binary, "--spec", folder / "spec.json", "--events", folder / "events.jsonl"]
    # GNU time is not everywhere; wait4 tells the peak of this child alone.
    child = os.posix_spawn(binary, [str(part) for part in command], os.environ)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return Generated([json.loads(line) for line in lines], usage.ru_maxrss * 1024)
