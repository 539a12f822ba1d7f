"""Times what grows with the number of launches: a dry run, a call with nothing to do, and the analysis.

python benchmarks/scale/measure.py [--sizes 5x2x10 10x5x20 20x5x100] [--without-analysis]

A size is engines x workloads x launches of each. No engine runs: records are made up, and only what is made of them is
measured.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
ANALYSIS = REPOSITORY / "benchmarks" / "analysis_scale"
sys.path[:0] = [str(REPOSITORY / "workflow" / "scripts"), str(REPOSITORY / "tests"), str(ANALYSIS)]

from measure import Cost, stages  # noqa: E402  (of analysis_scale)

from records import ScriptedEngine, ScriptedWorkload, make_raw_data, record_path_of, write_inputs  # noqa: E402
from tiny_campaign import Campaign, fake  # noqa: E402
from tiny_model import make_tiny_model  # noqa: E402

KIB: Final = 1024
AIMS: Final = "at 10,000 launches: a dry run 25 s, nothing to do 3 s, the analysis 180 s and 2 GB"
ITERATIONS: Final = 10


class Size(NamedTuple):
    """Engines, workloads, and launches of each engine on each workload."""

    engines: int
    workloads: int
    launches: int

    @property
    def all_launches(self) -> int:
        """Launches of the campaign."""
        return self.engines * self.workloads * self.launches


def size_of(text: str) -> Size:
    """The size that a word of the command line names."""
    return Size(*map(int, text.split("x")))


def planned(folder: Path, size: Size) -> Campaign:
    """A campaign of scripted engines of which nothing has run."""
    make_tiny_model(folder / "models" / "tiny")
    campaign = Campaign(folder)
    campaign.config["benchmark"] |= {"launches": size.launches, "control": False}
    campaign.config["engines"] = [
        fake("slow") | {"name": f"engine_{number}", "options": {"token_ms": 1.0 + number}}
        for number in range(size.engines)
    ]
    workload = campaign.config["workloads"][0]
    campaign.config["workloads"] = [
        copy.deepcopy(workload) | {"name": f"workload_{number}"} for number in range(size.workloads)
    ]
    return campaign


def cost_of(command: Sequence[str]) -> Cost:
    """What a call of Snakemake took; it must end well."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"error: {' '.join(command)} ended with status {process.returncode}")
    return Cost(time.monotonic() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * KIB)


def workflow_costs(folder: Path, size: Size) -> Iterator[tuple[str, Cost]]:
    """A dry run of the whole campaign, and the one that finds all of its launches measured."""
    campaign = planned(folder, size)
    yield "dry run", cost_of(campaign.command("-n", "launches"))
    cost_of(campaign.command("plan", "--quiet", "all"))
    for row in json.loads((campaign.out / "plan.json").read_text(encoding="utf-8"))["order"]:
        record = folder / row["folder"] / "record.json"
        record.parent.mkdir(parents=True)
        record.write_text('{"attempt": 1, "status": "ok"}\n', encoding="utf-8")
    cost_of(campaign.command("launches", "--quiet", "all"))
    yield "nothing to do", cost_of(campaign.command("-n", "launches"))


def analysis_costs(folder: Path, size: Size) -> Iterator[tuple[str, Cost]]:
    """The stages from records to verdicts."""
    engines = [ScriptedEngine(f"engine_{n}", itl_ms=10.0 + n, launch_spread=0.02) for n in range(size.engines)]
    workloads = [ScriptedWorkload(f"workload_{n}", iterations=ITERATIONS) for n in range(size.workloads)]
    raw, plan = make_raw_data(engines, workloads, launches=size.launches, output_dir=str(folder))
    write_inputs(folder, engines, raw, plan)
    paths = {name: [record_path_of(folder, record) for record in content["launches"]] for name, content in raw.items()}
    del raw
    yield from stages(folder, paths)


def told(measured: Callable[[Path, Size], Iterator[tuple[str, Cost]]], size: Size, place: Path | None) -> None:
    """Print a line for each thing measured at a size."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        for what, cost in measured(Path(name), size):
            print(
                f"  {what:<22}{cost.wall_s:8.1f} s{cost.cpu_s:8.1f} s of CPU{cost.peak_bytes / 1e9:8.2f} GB at most",
                flush=True,
            )


def main(argv: Sequence[str]) -> int:
    """Measure each size in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=size_of, nargs="+", default=[Size(5, 2, 10), Size(10, 5, 20), Size(20, 5, 100)])
    parser.add_argument("--without-analysis", action="store_true", help="only Snakemake's calls")
    parser.add_argument("--place", type=Path, help="folder for the files")
    arguments = parser.parse_args(argv)
    print(f"aims {AIMS}")
    for size in arguments.sizes:
        print(f"{size.all_launches} launches ({size.engines} engines, {size.workloads} workloads)")
        told(workflow_costs, size, arguments.place)
        if not arguments.without_analysis:
            told(analysis_costs, size, arguments.place)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
