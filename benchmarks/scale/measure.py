"""Times what grows with the number of launches: planning, a call with nothing to do, the pause between two launches,
the analysis, the plots and the report.

python benchmarks/scale/measure.py [--sizes 5x2x10 10x5x20 20x5x100] [--gaps 12] [--table TABLE.md]

A size is engines x workloads x launches of each. Records are made up (made_up.py); the stages that read them are the
product's own commands. Seconds are of computing, since other programs do not lengthen that much.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
ANALYSIS = REPOSITORY / "benchmarks" / "analysis_scale"
sys.path[:0] = [str(REPOSITORY / "workflow" / "scripts"), str(REPOSITORY / "tests"), str(ANALYSIS)]

from made_up import Size, planned, write_campaign, write_records  # noqa: E402
from measure import Cost, run, stages, used  # noqa: E402  (of analysis_scale)

from benchmark_runner.environment.machine import MachineFacts  # noqa: E402
from benchmark_runner.launch.machine_lock import VARIABLE  # noqa: E402
from finished import NOW, report_arguments  # noqa: E402
from scripted_launch import ScriptedEngine  # noqa: E402
from tiny_campaign import Campaign  # noqa: E402

SETTLING: Final = 2
"""Launches whose pauses are not counted: Snakemake is still busy with its beginning."""
WITHIN_SECONDS: Final = 7200.0
PAUSE: Final = "pause between launches"
AIMS: Final = {
    "dry run": "25 s",
    "nothing to do": "3 s",
    PAUSE: "0.4 s on the clock",
    "analysis, all": "180 s and 2 GB",
    "plots and report, all": "60 s",
    "report.html": "5 MB",
}
"""At 10,000 launches."""
ANALYSIS_STAGES: Final = ("collect", "iterations", "statistics", "performance", "summary", "business")
TOLD_STAGES: Final = ("logs", "plot latency", "plot throughput", "plot memory", "plot gpu", "reproduction", "report")

Figures = dict[str, tuple[float, float]]
"""By line of the table two numbers: seconds of computing and bytes at most, or what the line's name says."""
Line = tuple[str, tuple[float, float]]


def size_of(text: str) -> Size:
    """The size that a word of the command line names; ArgumentTypeError where it is none, or too small to measure."""
    try:
        engines, workloads, launches = map(int, text.split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not ENGINESxWORKLOADSxLAUNCHES, as 5x2x10") from None
    size = Size(engines, workloads, launches)
    if min(size) < 1 or size.all_launches < SETTLING + 2:
        raise argparse.ArgumentTypeError(f"{text} has no pause to measure; take {SETTLING + 2} launches or more")
    return size


def count(text: str) -> int:
    """A number of pauses; ArgumentTypeError where there are none."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def call(command: Sequence[str], says: str = "") -> tuple[float, float]:
    """Computing and memory of a call of Snakemake, which must end well and say these words."""
    cost, words = used(command, os.environ)
    if says not in words:
        raise SystemExit(f"error: {' '.join(command)} does not say {says!r}: {words[-2000:]}")
    return cost.cpu_s, cost.peak_bytes


def _computed_s(pid: int) -> float:
    """Computing of a process, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pauses(campaign: Campaign, records: Sequence[Path], count: int) -> tuple[float, float]:
    """Median pause between the first launches of a campaign, in s, and what Snakemake computes in one.

    They are really launched, with the tests' engine; then Snakemake is told to end.
    """
    process = subprocess.Popen(
        campaign.command("launches", "--quiet", "all"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {VARIABLE: str(campaign.folder / "lock")},
    )
    computed = [_there(records[place], process) for place in (SETTLING, SETTLING + count)]
    process.send_signal(signal.SIGTERM)
    process.wait()
    heads = [json.loads(path.read_text(encoding="utf-8")) for path in records[SETTLING : SETTLING + count + 1]]
    found = [(after["started_ns"] - before["ended_ns"]) / 1e9 for before, after in itertools.pairwise(heads)]
    return statistics.median(found), (computed[1] - computed[0]) / count


def _there(record: Path, process: subprocess.Popen[bytes]) -> float:
    """What a Snakemake has computed when a record is there."""
    end = time.monotonic() + WITHIN_SECONDS
    while not record.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"error: {record} was not measured")
        time.sleep(0.01)
    return _computed_s(process.pid)


def workflow_figures(folder: Path, size: Size, gaps: int) -> Iterator[Line]:
    """A dry run of the whole campaign, its first launches, and calls that find all of them measured."""
    campaign = planned(folder, size)
    yield "dry run", call(campaign.command("-n", "launches"))
    call(campaign.command("plan", "--quiet", "all"))
    plan = json.loads((campaign.out / "plan.json").read_text(encoding="utf-8"))
    order = [{**slot, "folder": str(folder / slot["folder"])} for slot in plan["order"]]
    records = [Path(slot["folder"]) / "record.json" for slot in order]
    yield PAUSE, pauses(campaign, records, min(gaps, len(records) - SETTLING - 1))
    write_records(folder, size, order)
    yield "first call after, which reads each record", call(campaign.command("launches", "--quiet", "all"))
    yield "nothing to do", call(campaign.command("-n", "launches"), says="Nothing to be done")


def _further_stages(folder: Path) -> Iterator[tuple[str, Cost]]:
    """Each stage that stands beside or behind those of analysis_scale."""
    analysis, plots = folder / "analysis", folder / "plots"
    plan = ["--plan", folder / "plan.json"]
    statistics_file = ["--statistics", analysis / "statistical_summary.json"]
    performance = ["--performance", analysis / "performance_analysis.json"]
    environment = ["--environment", folder / "environment.json"]
    told = ["--out", folder / "summary.json", "--table", folder / "comparison_table.md"]
    yield "summary", run("summary", [*plan, *statistics_file, *performance, *told])
    catalogues = ["--prices", REPOSITORY / "config/prices.yaml", "--facts", REPOSITORY / "config/engine_facts.yaml"]
    advised = [*catalogues, "--now", NOW, "--out", analysis / "business_recommendations.json"]
    known = [*plan, *statistics_file, *performance, *environment, "--manifest", folder / "manifest.json"]
    yield "business", run("business", [*known, *advised])
    drawn = {"plot memory": ("plots.memory", performance), "plot gpu": ("plots.gpu", ["--raw", *_raw(folder)])}
    for name, (module, inputs) in drawn.items():
        made = ["--out", plots / f"{module}.png", "--svg", plots / f"{module}.svg"]
        yield name, run(module, [*statistics_file, *inputs, *made])
    made = ["--out", folder / "reproduction.md", "--configuration", folder / "campaign.yaml"]
    yield "reproduction", run("report.reproduction", [*plan, *statistics_file, *environment, *made])


def _raw(folder: Path) -> list[Path]:
    return sorted((folder / "raw_data").iterdir())


def analysis_figures(folder: Path, size: Size) -> Iterator[Line]:
    """The stages from records to the report, and the size of its page."""
    engines = write_campaign(folder, size)
    costs: dict[str, Cost] = {}
    for name, cost in _stages(folder, engines):
        costs[name] = cost
        yield name, (cost.cpu_s, cost.peak_bytes)
    for title, names in {"analysis, all": ANALYSIS_STAGES, "plots and report, all": TOLD_STAGES}.items():
        yield title, (sum(costs[name].cpu_s for name in names), max(costs[name].peak_bytes for name in names))
    yield "report.html", (0.0, (folder / "report.html").stat().st_size)


def _stages(folder: Path, engines: Sequence[ScriptedEngine]) -> Iterator[tuple[str, Cost]]:
    yield from stages(folder, [one.name for one in engines])
    (folder / "metrics.parquet").rename(folder / "analysis" / "metrics.parquet")
    yield from _further_stages(folder)
    yield "report", run("report", report_arguments(folder, engines))


def in_words(name: str, figure: tuple[float, float]) -> str:
    """A cell of the table."""
    first, second = figure
    if name == "report.html":
        return f"{second / 1e6:.2f} MB"
    if name == PAUSE:
        return f"{first:.2f} s, {1000 * second:.0f} ms of computing"
    return f"{first:.1f} s, {second / 1e9:.2f} GB"


def line_of(launches: Sequence[int], values: Sequence[float], factor: float, unit: str) -> str:
    """What a launch more costs, by least squares, and the share of the spread that the line explains."""
    slope, start = np.polyfit(launches, values, 1)
    left = np.sum((np.array(values) - start - slope * np.array(launches)) ** 2)
    spread = np.sum((np.array(values) - np.mean(values)) ** 2)
    explained = f" (R² {1 - left / spread:.3f})" if len(values) > 2 and spread else ""
    return f"{slope * factor:.2g} {unit}{explained}"


def growth(name: str, launches: Sequence[int], figures: Sequence[tuple[float, float]]) -> tuple[str, str]:
    """Time and memory that a launch more costs, and how the figure grew between the two largest sizes: n^1 is linear.

    A pause has no launch more; of the page the size alone is asked.
    """
    times, amounts = zip(*figures, strict=True)
    if len(figures) < 2 or name == PAUSE:
        return "", ""
    parts = [line_of(launches, times, 1e3, "ms")] if any(times) else []
    values = times if any(times) else amounts
    power = math.log(values[-1] / values[-2]) / math.log(launches[-1] / launches[-2])
    return "; ".join([*parts, line_of(launches, amounts, 1e-3, "kB")]), f"n^{power:.2f}"


def table(found: Mapping[Size, Figures]) -> Iterator[str]:
    """The figures of all sizes as a table in Markdown: those lines that each size has."""
    sizes = list(found)
    heads = [f"{one.all_launches:,} ({one.engines} engines, {one.workloads} workloads)" for one in sizes]
    rows: list[list[str]] = [["", *heads, "a launch more", "grows as", "aim at 10,000"], ["---"] * (len(heads) + 4)]
    for name in found[sizes[0]]:
        figures = [found[size][name] for size in sizes]
        counts = [size.all_launches for size in sizes]
        told = (in_words(name, one) for one in figures)
        rows.append([name, *told, *growth(name, counts, figures), AIMS.get(name, "")])
    return (f"| {' | '.join(row)} |" for row in rows)


def yardstick_s() -> float:
    """What ten million additions in Python take, the least of three tries: machines of one name differ by half, and one
    from day to day."""
    tries = []
    for _ in range(3):
        begin, total = time.process_time(), 0
        for number in range(10_000_000):
            total += number
        tries.append(time.process_time() - begin)
    return min(tries)


def machine_words(loads: Sequence[float], additions_s: Sequence[float]) -> str:
    """What a reader must know of the machine: size by size how many processes wanted to compute, and the yardstick."""
    model = MachineFacts(Path("/")).cpu()["model"]
    seen = ", ".join(f"{load:.1f}" for load in loads)
    cores = f"{len(os.sched_getaffinity(0))} cores of {model}, Python {platform.python_version()}"
    busy = f"before each size {seen} processes wanted to compute (the load of a minute)"
    speed = ", ".join(f"{seconds:.2f}" for seconds in additions_s)
    return f"Seen on {cores}, which then took {speed} s for ten million additions in Python; {busy}."


def main(argv: Sequence[str]) -> int:
    """Measure each size in turn, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=size_of, nargs="+", default=[Size(5, 2, 10), Size(10, 5, 20), Size(20, 5, 100)])
    parser.add_argument("--gaps", type=count, default=12, help="pauses between launches that are measured at each size")
    parser.add_argument("--place", type=Path, help="folder for the files")
    parser.add_argument("--table", type=Path, help="file for the table, written anew after each size")
    arguments = parser.parse_args(argv)
    found: dict[Size, Figures] = {}
    loads: list[float] = []
    additions_s: list[float] = []
    for size in arguments.sizes:
        print(f"{size.all_launches} launches", flush=True)
        found[size] = {}
        loads.append(os.getloadavg()[0])
        additions_s.append(yardstick_s())
        for measured in (partial(workflow_figures, gaps=arguments.gaps), analysis_figures):
            with tempfile.TemporaryDirectory(dir=arguments.place) as name:
                for line, figure in measured(Path(name), size):
                    found[size][line] = figure
                    print(f"  {line}: {in_words(line, figure)}", flush=True)
        if arguments.table:
            lines = [machine_words(loads, additions_s), "", *table(found), ""]
            arguments.table.write_text("\n".join(lines), encoding="utf-8")
    print(machine_words(loads, additions_s), "", *table(found), sep="\n")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
