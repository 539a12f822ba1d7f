"""Write statistical_summary.json from the plan, the raw data, the table of iterations and the fidelity checks."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmark_runner.commands import command
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_valid, write_json
from benchmark_runner.schemas import require_valid
from benchmark_runner.statistics.client import Client
from benchmark_runner.statistics.families import family_launches
from benchmark_runner.statistics.inputs import Measurements, read_inputs
from benchmark_runner.statistics.looks import Looks, look_at, looks_until_decided, read_history
from benchmark_runner.statistics.planned import looks_of_plan
from benchmark_runner.statistics.stages import stages_of
from benchmark_runner.statistics.summary import summarise
from benchmark_runner.statistics.until import reached_looks


def count_looks(inputs: Measurements, file: Path) -> list[Looks]:
    """The present look, with all planned ones before it; the file remembers them and from now on this one."""
    history, plan = read_history(file), looks_of_plan(inputs.plan["campaign"])
    if plan:
        looks, remembered = looks_until_decided(inputs.launches, reached_looks(inputs), plan, history)
    else:
        look, remembered = look_at(inputs.launches, family_launches(inputs), history)
        looks = [look]
    if remembered != history:
        write_json(file, remembered)
    return looks


def main(argv: Sequence[str]) -> int:
    """Read the inputs, judge, write."""
    parser = command("statistics", __doc__, "plan", "raw", "iterations", "looks", out="statistical_summary.json")
    parser.add_argument("--fidelity", type=Path, nargs="*", default=[], help="fidelity/<engine>.json of all engines")
    parser.add_argument("--stages", type=Path, nargs="?", help="stages.parquet, of a campaign with load")
    parser.add_argument(
        "--load-calibration", type=Path, nargs="?", help="load_calibration.json, of a campaign with load"
    )
    args = parser.parse_args(argv)
    inputs = read_inputs(args.plan, args.raw, args.fidelity)
    measured = read_valid("load_calibration", args.load_calibration) if args.load_calibration else None
    client = Client(stages_of(args.stages), measured)
    summary = summarise(inputs, args.iterations, count_looks(inputs, args.looks), client)
    require_valid("statistical_summary", summary, str(args.out))
    write_json(args.out, summary)
    verdicts = Counter(one["verdict"] for one in summary["comparisons"] if one["kind"] == "primary")
    family = summary["families"]["all_pairs"]["description"]
    print(f"{family}; verdicts: {dict(verdicts)}; {len(summary['warnings'])} warnings")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
