"""The calibration: rates of kernels whose work is known, the cores and threads of engines, the lock of launches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.jsonio import write_json
from benchmark_runner.launch.machine_lock import VARIABLE
from benchmark_runner.performance import kernels
from benchmark_runner.performance.calibrate import is_elsewhere, machine_here
from benchmark_runner.schemas import require_valid

SMALL = """
import sys
from benchmark_runner.performance import calibrate, kernels
kernels.LEAST_MATRIX_BYTES, kernels.CACHE_MULTIPLE, kernels.SIDE = 1 << 20, 0, 64
sys.exit(calibrate.main(sys.argv[1:]))
"""


def nothing() -> None:
    """No signal has come."""


def test_a_rate_is_the_work_over_the_time_of_each_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 0.0, 2.0, 2.0, 6.0, 6.0, 8.0, 8.0, 10.0, 10.0, 12.0, 12.0])
    monkeypatch.setattr(kernels.time, "perf_counter", lambda: next(ticks))
    looks: list[int] = []
    found = kernels.rates(100.0, nothing, 0.0, lambda: looks.append(1))
    assert (found["point"], found["repeats"], len(looks)) == (50.0, 5, 5)
    assert 25.0 <= found["low"] < 50.0 == found["high"]


def test_caches_that_cores_share_count_once(tmp_path: Path) -> None:
    for core, level, size, shared in [
        (0, 2, "512K", "0"),
        (1, 2, "512K", "1"),
        (0, 3, "8M", "0-1"),
        (1, 3, "8M", "0-1"),
    ]:
        folder = tmp_path / f"cpu{core}" / "cache" / f"index{level}"
        folder.mkdir(parents=True)
        for name, text in {"level": str(level), "size": size, "shared_cpu_list": shared}.items():
            (folder / name).write_text(f"{text}\n")
    assert kernels.last_level_cache_bytes(tmp_path) == 8 << 20
    assert kernels.last_level_cache_bytes(tmp_path / "none") is None


def test_the_kernel_is_named_with_the_spread_of_its_repeats() -> None:
    found = kernels.bandwidth(0.0, 64 << 10, nothing)
    assert found["kernel"].startswith("sgemv") and found["repeats"] >= kernels.FEWEST_REPEATS
    assert found["low"] <= found["point"] <= found["high"]


def _calibrated(folder: Path) -> dict[str, Any]:
    core = min(os.sched_getaffinity(0))
    system = {"threads": 1, "cpu_affinity": [core], "cool_down_seconds": 0, "calibration_seconds": 0.01}
    (folder / "config.json").write_text(json.dumps({"config": {"system": system}}))
    command = [sys.executable, "-c", SMALL, "--config", str(folder / "config.json"), "--out", str(folder / "out.json")]
    environment = {**os.environ, VARIABLE: str(folder / "lock" / "l"), "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr
    assert "1 thread read" in ran.stdout and "GFLOP/s" in ran.stdout
    found: dict[str, Any] = json.loads((folder / "out.json").read_text())
    return found


def test_it_runs_on_the_cores_and_with_the_threads_of_engines_and_holds_their_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir(mode=0o700)
    found = _calibrated(tmp_path)
    require_valid("calibration", found, "out.json")
    assert (found["threads"], found["cores"]) == (1, [min(os.sched_getaffinity(0))])
    assert (tmp_path / "lock" / "l").read_text().startswith("process ")


def test_a_calibration_of_another_machine_is_told(tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    assert not is_elsewhere(file)
    write_json(file, {"machine": machine_here()})
    assert not is_elsewhere(file)
    write_json(file, {"machine": {**machine_here(), "cpu": "another"}})
    assert is_elsewhere(file)
    file.write_text(file.read_text()[:-9])  # cut: made again anyway
    assert not is_elsewhere(file)
