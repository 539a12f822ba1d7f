"""Size of report.html, time and memory to build it, and time to open it, for 10^3, 10^4 and 10^5 iterations.

python benchmarks/report_scale/measure.py [--iterations 1000 10000 100000]

The campaign is made up here (eight engines, two workloads, ten launches): only its report is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "workflow" / "scripts"), str(REPOSITORY / "tests")]

from benchmark_runner.doctor.tools import find_chromium  # noqa: E402
from finished import finish, report_arguments  # noqa: E402
from records import ScriptedEngine, ScriptedWorkload  # noqa: E402

LAUNCHES: Final = 10
ENGINES: Final = tuple(
    ScriptedEngine(f"engine_{number}", 20.0 + number, 10.0 + number, launch_spread=0.02, iteration_spread=0.01)
    for number in range(8)
)
CASES: Final = (("chat", (36, 16)), ("answer", (6, 32)))
KIB: Final = 1024
AIM: Final = "less than 3 MB, and open in less than 2 s, at 100000 iterations"
DRAWN: Final = "document.querySelectorAll('.chart svg').length === document.querySelectorAll('.chart').length"


def build(folder: Path) -> tuple[float, int]:
    """(wall_s, peak_bytes) of the stage that writes the report."""
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark_runner.report", *report_arguments(folder, ENGINES)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "workflow" / "scripts")},
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"error: the report ended with status {process.returncode}")
    return time.monotonic() - begin, usage.ru_maxrss * KIB


def opening_s(page: Path) -> float | None:
    """Time from the address to the last chart in a fresh tab of a warm browser; None without a browser."""
    chromium = find_chromium()
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=["--headless", "--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        begin = time.monotonic()
        tab.goto(page.as_uri())
        tab.wait_for_function(DRAWN)
        took_s = time.monotonic() - begin
        browser.close()
    return took_s


def measure(iterations: int) -> None:
    """Print the figures of a campaign of so many iterations."""
    each = max(1, iterations // (LAUNCHES * len(ENGINES) * len(CASES)))
    workloads = [ScriptedWorkload(name, (case,), iterations=each) for name, case in CASES]
    with tempfile.TemporaryDirectory() as name:
        with contextlib.redirect_stdout(io.StringIO()):
            folder = finish(Path(name), ENGINES, workloads, plots=False, launches=LAUNCHES)
        wall_s, peak_bytes = build(folder)
        opened_s = opening_s(folder / "report.html")
        size = (folder / "report.html").stat().st_size
    opened = "no Chromium here to open it" if opened_s is None else f"open after {opened_s:.1f} s"
    made = each * LAUNCHES * len(ENGINES) * len(CASES)
    print(f"{made} iterations: report.html {size / 1e6:.2f} MB, built in {wall_s:.1f} s ", end="")
    print(f"with {peak_bytes / 1e9:.2f} GB at most, {opened}")


def main(argv: Sequence[str]) -> int:
    """Measure each size in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--iterations", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    arguments = parser.parse_args(argv)
    print(f"aim: {AIM}")
    for iterations in arguments.iterations:
        measure(iterations)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
