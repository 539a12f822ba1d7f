"""Times what a launch costs beyond the engine's own time and the cool-down, in parts, with the scripted engine.

python benchmarks/launch_overhead/measure.py [--launches 11]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Final

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "workflow" / "scripts"), str(REPOSITORY / "tests")]

from launch_case import LaunchCase  # noqa: E402  the path comes first

AIM_MS: Final = 400.0
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


def launch(case: LaunchCase, block: int) -> dict[str, float]:
    """Parts of one launch in ms, and their sum `overhead`: the wall clock around it less what is not its cost."""
    begin = time.monotonic()
    done = case.run(block)
    wall_ms = (time.monotonic() - begin) * 1e3
    if done.returncode != 0:
        sys.exit(f"launch {block} ended with status {done.returncode}: {done.stderr}")
    record = case.record(block)
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
        options = {"load_ms": 50, "prefill_ms": 10, "token_ms": 2}
        case = LaunchCase(Path(name), options=options, monitoring={"sample_interval_ms": 100}, blocks=launches + 1)
        launch(case, 1)  # the first one reads the interpreter and the library from the disk
        results = [launch(case, block) for block in range(2, launches + 2)]
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
