"""A campaign as its results folder tells it: for analysis on any machine, without engines, model or configuration."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.campaign import Campaign
from benchmark_runner.campaign.foreign import read_foreign, require_configuration, require_consistent, require_plain
from benchmark_runner.campaign.from_plan import CampaignOfPlan
from benchmark_runner.campaign.parts import part_files, plan_part
from benchmark_runner.campaign.paths import JOINED, unusable
from benchmark_runner.commands import command
from benchmark_runner.configuration.files import Positions
from benchmark_runner.configuration.messages import problems_of
from benchmark_runner.configuration.plain import plain_copy
from benchmark_runner.configuration.resolve import require_sound, with_defaults
from benchmark_runner.configuration.shortcuts import with_typed_overrides
from benchmark_runner.errors import MADE_AGAIN, BenchmarkError, exit_status
from benchmark_runner.hashes import fingerprint
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.records.unlike import MEASURED
from benchmark_runner.records.whole import is_cut, record_head
from benchmark_runner.schemas import schema, violations

REQUIRED: Final = {"plan.json": "plan", "environment.json": "environment", "model/manifest.json": "manifest"}
"""What only the machine that measured could tell, with its schema; written before its first launch."""

MADE: Final = {
    "summary.json": "summary",
    "analysis/statistical_summary.json": "statistical_summary",
    "analysis/performance_analysis.json": "performance_analysis",
    "analysis/business_recommendations.json": "business_recommendations",
}
"""What an analysis before may have left, with its schema: read where nothing asks to make it again."""

LOOKS: Final = "looks.json"

REPLACEABLE: Final = ("analysis", "business", "comparison")
"""Sections of the configuration that change no measurement, so that a folder can be analysed anew with others."""


class RecordedCampaign(CampaignOfPlan):
    """A campaign of which nothing is measured any more; launches without a record are simply not there."""

    def __init__(self, plan: Mapping[str, Any], config: dict[str, Any]) -> None:
        super().__init__(plan, config)
        self.changed: Mapping[str, str] = {}
        """What is wrong with files that were made of others, by their path."""
        self.told: Mapping[str, Any] = {}
        """What jobs of the workflow read of the call."""
        self.joins = False
        """Whether a job has yet to make its folder from others."""

    def plan(self) -> dict[str, Any]:
        """The plan, of a joined campaign with where each launch comes from."""
        found = super().plan()
        if (joined := self._plan["campaign"].get("joined")) is not None:
            found["campaign"]["joined"] = joined
            rows = zip(found["order"], self._plan["order"], strict=True)
            found["order"] = [{**row, MEASURED: there[MEASURED]} for row, there in rows]
        return found

    def has_moved_on(self) -> bool:
        """Whether its folder was made from others since this call began, so that it can be analysed."""
        return self.joins and Path(self.output_dir, JOINED).is_file()

    @cached_property
    def whole(self) -> frozenset[str]:
        """Records that are there to their end."""
        return frozenset(one.record for one in self.launches if record_head(Path(one.record)) is not None)

    def records(self, engine: str) -> list[str]:
        """Those of an engine, in launch order."""
        return [record for record in super().records(engine) if record in self.whole]

    def fidelity(self, engine: str) -> list[str]:
        """The file of an engine's fidelity check, where there is one."""
        file = f"{self.output_dir}/fidelity/{engine}.json"
        return [file] if Path(file).is_file() else []

    @cached_property
    def damaged(self) -> frozenset[str]:
        """What is made again since it changed; no record, which collecting refuses by name."""
        return frozenset(self.changed)

    def notices(self, *, here: bool = True) -> list[str]:  # noqa: ARG002
        """A line for each file that is made again."""
        return [f"note: {why}; {path} is made again" for path, why in self.changed.items()]


def require_results(folder: Path, key: str, remedy: str) -> None:
    """Raise BenchmarkError that names the key, what the folder lacks of a campaign's results, and the remedy."""
    missing = [name for name in REQUIRED if not (folder / name).is_file()]
    if missing:
        raise BenchmarkError(
            f"{key}: {folder} is no results folder of a campaign: {', '.join(missing)} is missing; {remedy}"
        )


def results_folder(value: object, key: str) -> Path:
    """The folder that a key of the command line names; raises BenchmarkError that names the key where it is none."""
    if not isinstance(value, str):
        raise BenchmarkError(f"{key}: name a results folder, as {key}=results/quick")
    if complaint := unusable(value):
        raise BenchmarkError(f"{key}: {complaint}")
    return Path(value)


def load_before(against: object, output_dir: str) -> RecordedCampaign:
    """Campaign in the folder that the key `against` names, with which the one in output_dir is compared.

    Raises BenchmarkError that names the key and the remedy where it is absent, no results folder or the same folder.
    """
    remedy = "name the folder of the campaign before with --config against=results/…"
    if against is None or not str(against).strip():
        engines = "two engines of this one with before=… after=…"
        raise BenchmarkError(f"against: compare needs a campaign to compare with; {remedy}, or {engines}")
    folder = results_folder(against, "against")
    require_results(folder, "against", remedy)
    if Path(output_dir).exists() and folder.samefile(output_dir):
        raise BenchmarkError(f"against: {folder} is the campaign that is compared itself; {remedy}")
    return load_recorded(folder, {})


def engines_to_compare(named: tuple[object, object], campaign: Campaign) -> tuple[str, str]:
    """Names of the two engines of a campaign that the keys `before` and `after` give.

    Raises BenchmarkError that names the key where one is absent, no engine of the campaign, or both are the same.
    """
    names = [name for name, engine in campaign.engines.items() if engine.control_of is None]
    for key, name in zip(("before", "after"), named, strict=True):
        if name not in names:
            what = "compare needs two engines of this campaign" if name is None else f"{name} is none of its engines"
            raise BenchmarkError(f"{key}: {what}; name them with --config before=… after=…, of {', '.join(names)}")
    if named[0] == named[1]:
        raise BenchmarkError(f"after: {named[1]} is the engine before; name another of {', '.join(names)}")
    return str(named[0]), str(named[1])


def load_recorded(output_dir: Path, overrides: Mapping[str, Any]) -> RecordedCampaign:
    """Campaign in a results folder; overrides may replace REPLACEABLE sections.

    Raises BenchmarkError that names what the folder lacks, or ConfigurationError for overrides that are not in order.
    """
    require_results(output_dir, "analyze_only", "name one with --config analyze_only=true output_dir=…")
    require_plain(output_dir)
    plan, _, _ = (read_foreign(output_dir / name, kind) for name, kind in REQUIRED.items())
    require_consistent(plan, output_dir / "plan.json")
    for engine in plan["engines"]:
        if os.path.lexists(checked := output_dir / "fidelity" / f"{engine['name']}.json"):
            read_foreign(checked, "fidelity")
    for calibration in ("calibration", "load_calibration"):
        if os.path.lexists(limits := output_dir / f"{calibration}.json"):
            read_foreign(limits, calibration)
    stored = {**plan["config"], "benchmark": {**plan["config"]["benchmark"], "output_dir": str(output_dir)}}
    require_configuration(stored, output_dir / "plan.json")
    return RecordedCampaign(plan, overridden(stored, overrides))


def overridden(stored: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A stored configuration with REPLACEABLE sections of the command line in place of its own; raises as
    load_recorded."""
    refused = sorted(set(overrides) - set(REPLACEABLE))
    if refused:
        raise BenchmarkError(
            f"analyze_only: {', '.join(refused)} cannot be changed after the measurement; "
            f"leave out --configfile, or give one with {', '.join(REPLACEABLE)} alone"
        )
    typed, unplain = plain_copy(with_typed_overrides({**stored, **overrides}, overrides, schema("config")))
    config: dict[str, Any] = with_defaults(typed, schema("config"))
    require_sound(Positions([]).lines([*problems_of(violations("config", config)), *unplain]))
    return config


def changed_files(campaign: RecordedCampaign) -> dict[str, str]:
    """Files made from others of the folder that are not as the stages write them now, each with what is wrong.

    An older version may have written them, or somebody else. Those that are cut are made again as everywhere. Raises
    BenchmarkError for the looks, which nothing can make again.
    """
    # Slow to import, and only here: each call of Snakemake reads this module.
    from benchmark_runner.records.raw_data import require_raw_data
    from benchmark_runner.records.stages import read_stages
    from benchmark_runner.records.table import require_table
    from benchmark_runner.statistics.looks import read_history

    folder, plan = campaign.output_dir, campaign.plan()
    read_history(Path(folder, LOOKS))

    def require_part(path: Path) -> None:
        if fingerprint(read_json(path)) != path.name.split(".")[-2]:
            raise BenchmarkError(f"{path}: holds another content than its name says")

    checks: dict[str, Callable[[Path], Any]] = {
        **{name: partial(read_foreign, schema=kind, remedy=MADE_AGAIN) for name, kind in MADE.items()},
        **{f"plan/{part}": require_part for part in part_files(plan, recorded=True)},
        **{f"raw_data/{engine}.json": require_raw_data for engine in campaign.engines},
        "analysis/iterations.parquet": require_table,
        "analysis/stages.parquet": read_stages,
    }
    found = {}
    for name, check in checks.items():
        if _is_whole(path := Path(folder, name)):
            try:
                check(path)
            except BenchmarkError as error:
                found[f"{folder}/{name}"] = str(error).removesuffix(f"; {MADE_AGAIN}")
    return found


def _is_whole(path: Path) -> bool:
    return path.is_file() and not is_cut(path)


def overrides_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of a command line's configuration replaces what the folder tells: all but the folder."""
    return {key: value for key, value in given.items() if key != "output_dir"}


def load_given(given: Mapping[str, Any]) -> RecordedCampaign:
    """Campaign in the folder that a configuration's output_dir names, with its other keys; raises as load_recorded.

    What an analysis before left there is made again where it is not as the stages write it.
    """
    campaign = load_recorded(results_folder(given.get("output_dir"), "output_dir"), overrides_of(given))
    campaign.changed, campaign.told = changed_files(campaign), {"config": overrides_of(given)}
    return campaign


def main(argv: Sequence[str]) -> int:
    """Write one part of a recorded campaign's plan."""
    parser = command("campaign.recorded", __doc__, output_dir="the results folder", out="the part")
    parser.add_argument("--overrides", type=Path, required=True, help="file with the sections that replace stored ones")
    parser.add_argument("--part", required=True, help="name of the part")
    arguments = parser.parse_args(argv)
    campaign = load_recorded(arguments.output_dir, read_json(arguments.overrides)["config"])
    write_json(arguments.out, plan_part(campaign.plan(), arguments.part))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
