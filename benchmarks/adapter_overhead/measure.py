"""Times what the protocol costs an adapter for each token, and how long each adapter takes before it opens the model.

python benchmarks/adapter_overhead/measure.py [--results results/quick]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "workflow" / "scripts"))

from benchmark_runner.protocol.spec import make_spec  # noqa: E402  the path comes first

CRATE = REPOSITORY / "engines" / "bench-protocol"
EMPTY_ENGINE = Path(__file__).resolve().parent / "empty_engine.py"


class Way(NamedTuple):
    """An empty adapter, how it yields its tokens, and what a token may cost at most."""

    name: str
    command: list[str]
    options: dict[str, Any]
    aim_us: float


def ways() -> list[Way]:
    """The empty adapters, the one in Rust built."""
    build = ["cargo", "build", "--quiet", "--release", "--locked", "--example", "empty", "--message-format=json"]
    messages = subprocess.run(build, cwd=CRATE, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    programs = [json.loads(line).get("executable") for line in messages]
    rust = next(program for program in programs if program)
    python = [sys.executable, str(EMPTY_ENGINE)]
    return [
        Way("Rust: decode", [rust], {}, 2.0),
        Way("Python: push", python, {"way": "push"}, 20.0),
        Way("Python: decode, numpy", python, {"way": "decode"}, 20.0),
    ]


def token_us(way: Way, folder: Path, tokens: int, iterations: int) -> list[float]:
    """Time a token in each measured iteration, unit: µs."""
    case = {
        "prompt_ids": [1],
        "max_new_tokens": tokens,
        "ignore_eos": True,
        "eos_ids": [],
        "sampling": {"temperature": 0, "top_p": 1, "seed": 0},
    }
    spec = make_spec(
        [case],
        model_dir=folder,
        weights="none",
        dtype="f32",
        device="cpu",
        threads=1,
        max_seq_len=tokens + 1,
        options=way.options,
        warmup_iterations=2,
        iterations=iterations,
    )
    (folder / "spec.json").write_text(json.dumps(spec))
    events = folder / "events.jsonl"
    events.unlink(missing_ok=True)
    subprocess.run([*way.command, "--spec", folder / "spec.json", "--events", events], check=True)
    rounds = [json.loads(line) for line in events.read_bytes().splitlines()]
    return [
        (event["end_ns"] - event["start_ns"]) / 1e3 / len(event["token_ids"])
        for event in rounds
        if event["event"] == "iteration" and not event["warmup"]
    ]


def start_up_ms(results: Path) -> dict[str, list[float]]:
    """By engine, the time from before the fork to load_start in each launch of a results folder, unit: ms."""
    found: dict[str, list[float]] = {}
    for file in sorted(results.glob("launches/*/*/*/record.json")):
        record = json.loads(file.read_text())
        if record["load"] and record["engine_window"]:
            ns = record["load"]["start_ns"] - record["engine_window"]["start_ns"]
            found.setdefault(record["engine"], []).append(ns / 1e6)
    return found


def row(name: str, values: Sequence[float]) -> str:
    """A line of a table: median, least and most."""
    return f"{name:<28}{median(values):>10.3f}{min(values):>10.3f}{max(values):>10.3f}"


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="results folder whose launches tell the adapters' start-up")
    parser.add_argument("--tokens", type=int, default=20_000, help="tokens an iteration")
    parser.add_argument("--iterations", type=int, default=11, help="iterations that count")
    arguments = parser.parse_args(argv)
    tokens, iterations = arguments.tokens, arguments.iterations
    head = f"{'median':>10}{'least':>10}{'most':>10}"
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f}")
    print(f"{f'µs a token, {iterations} x {tokens} tokens':<28}{head}{'aim':>10}")
    with tempfile.TemporaryDirectory() as name:
        for way in ways():
            values = token_us(way, Path(name), tokens, iterations)
            verdict = "reached" if median(values) < way.aim_us else "missed"
            print(f"{row(way.name, values)}{f'< {way.aim_us:g}':>10}  {verdict}")
    if arguments.results:
        print(f"\n{'ms before load_start':<28}{head}")
        for engine, values in start_up_ms(arguments.results).items():
            print(f"{row(engine, values)}{f'{len(values)} launches':>14}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
