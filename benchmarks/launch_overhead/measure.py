"""Times what a launch costs beyond the engine's own time and the cool-down, in parts, with the scripted engine.

python benchmarks/launch_overhead/measure.py [--launches 11]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

REPOSITORY = Path(__file__).resolve().parents[2]
AIM_MS: Final = 400.0
IDENTITY: Final = "0" * 12
PARTS: Final = {
    "read_ms": "reading plan and prompts",
    "preflight_ms": "cores, device, state of the machine",
    "monitor_start_ms": "monitor, to its first sample",
    "cleanup_ms": "ending what the engine left",
    "monitor_stop_ms": "monitor's last sample and end",
    "record_ms": "checking events, summing up samples",
}
REST: Final = "interpreter, imports, writing the record"
OUTSIDE: Final = ("engine_ms", "machine_wait_ms", "cool_down_ms", "thermal_wait_ms")


def write_inputs(folder: Path, launches: int) -> None:
    """The files of a campaign with one engine: 1 warm-up and 3 rounds of 32 tokens, 2 ms each."""
    system = {
        "gpu_device": 0,
        "device": "auto",
        "threads": None,
        "max_memory_gb": None,
        "cpu_affinity": None,
        "thermal_limit_celsius": None,
        "cool_down_seconds": 0,
        "launch_timeout_seconds": 60,
    }
    monitoring = {
        "sample_interval_ms": 100,
        "gpu_metrics": True,
        "memory_tracking": True,
        "power_monitoring": True,
    }
    engine = {
        "name": "fake",
        "control_of": None,
        "binary_path": str(REPOSITORY / "tests" / "fake_engine" / "fake-engine"),
        "adapter": None,
        "build_record": None,
        "dtype": "f32",
        "options": {"load_ms": 50, "prefill_ms": 10, "token_ms": 2},
    }
    case = {
        "name": "case_1",
        "max_new_tokens": 32,
        "temperature": 0,
        "top_p": 1,
        "ignore_eos": True,
        "seed": 0,
    }
    workload = {"name": "quick", "iterations_per_launch": 3, "warmup_iterations": 1, "cases": [case]}
    place = {"engine": "fake", "workload": "quick", "identity": IDENTITY}
    plan = {
        "config": {"system": system, "monitoring": monitoring},
        "model": {"path": str(folder)},
        "engines": [engine],
        "workloads": [workload],
        "order": [
            {"position": block, "block": block, "folder": str(out_dir(folder, block)), **place}
            for block in range(1, launches + 1)
        ],
    }
    prompts = {"eos_ids": [2], "workloads": {"quick": [{"case": "case_1", "prompt_ids": list(range(64))}]}}
    manifest = {
        "name": "scripted",
        "identity": "scripted-1",
        "weights_bytes": 0,
        "files": {"model.safetensors": {"sha256": "0" * 64, "bytes": 0}},
    }
    for name, content in (("plan", plan), ("prompts", prompts), ("manifest", manifest)):
        (folder / f"{name}.json").write_text(json.dumps(content))


def out_dir(folder: Path, block: int) -> Path:
    """Folder of one launch."""
    return folder / "launches" / "fake" / f"quick.{IDENTITY}" / str(block)


def launch(folder: Path, block: int) -> dict[str, float]:
    """Parts of one launch in ms, and their sum `overhead`: the wall clock around it less what is not its cost."""
    command = [
        sys.executable,
        "-m",
        "benchmark_runner.launch",
        f"--plan={folder / 'plan.json'}",
        f"--prompts={folder / 'prompts.json'}",
        f"--model-manifest={folder / 'manifest.json'}",
        "--engine=fake",
        "--workload=quick",
        f"--identity={IDENTITY}",
        f"--block={block}",
        f"--out-dir={out_dir(folder, block)}",
        f"--log={folder / 'launch.log'}",
    ]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "workflow" / "scripts")}
    begin = time.monotonic()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    wall_ms = (time.monotonic() - begin) * 1e3
    record = json.loads((out_dir(folder, block) / "record.json").read_text())
    if record["status"] != "ok":
        sys.exit(f"launch {block} ended as {record['status']}: {record['reason']}")
    timing = record["timing"]
    overhead_ms = wall_ms - sum(timing[name] for name in OUTSIDE)
    parts = {label: timing[name] for name, label in PARTS.items()}
    return {**parts, REST: overhead_ms - sum(parts.values()), "overhead": overhead_ms}


def main(argv: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--launches", type=int, default=11, help="launches that count, at least 1")
    launches = parser.parse_args(argv).launches
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, launches + 1)
        launch(folder, 1)  # the first one reads the interpreter and the library from the disk
        results = [launch(folder, block) for block in range(2, launches + 2)]
    print(f"{launches} launches on {os.cpu_count()} cores, load average {os.getloadavg()[0]:.2f}; ms")
    print(f"{'':<44}{'median':>9}{'least':>9}{'most':>9}")
    for label in results[0]:
        values = [result[label] for result in results]
        shown = "beyond the engine's time and the cool-down" if label == "overhead" else label
        print(f"{shown:<44}{median(values):>9.1f}{min(values):>9.1f}{max(values):>9.1f}")
    reached = median([result["overhead"] for result in results]) <= AIM_MS
    print(f"aim: a median of {AIM_MS:g} ms or less: {'reached' if reached else 'missed'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
