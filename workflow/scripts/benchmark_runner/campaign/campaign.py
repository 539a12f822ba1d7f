"""A campaign: everything the workflow must know before the first job, from configuration and sources alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmark_runner.build import adapter as adapters
from benchmark_runner.build.source import cuda_request
from benchmark_runner.campaign.asking import left_out, untested
from benchmark_runner.campaign.attempts import SETTLED, attempts_made, count_records, is_owed, set_aside
from benchmark_runner.campaign.checks import examine_whole
from benchmark_runner.campaign.continued import iterations_per_launch
from benchmark_runner.campaign.control import cheapest_control
from benchmark_runner.campaign.engines import (
    Engine,
    campaign_engines,
    engine_is_back,
    with_control,
)
from benchmark_runner.campaign.groups import Cell, Groups
from benchmark_runner.campaign.machine import settings_of_launches
from benchmark_runner.campaign.model import Model, locate_model
from benchmark_runner.campaign.notices import notices_of
from benchmark_runner.campaign.order import balanced_blocks
from benchmark_runner.campaign.planned import PlannedLaunch
from benchmark_runner.campaign.search import found_levels
from benchmark_runner.campaign.weights import REFERENCE_ADAPTER, CampaignWeights
from benchmark_runner.campaign.workloads import hottest_sampling, planned_workload, requests_at_once
from benchmark_runner.configuration.files import Positions
from benchmark_runner.configuration.load import has_load
from benchmark_runner.configuration.names import CHEAPEST
from benchmark_runner.configuration.not_asked import as_asked
from benchmark_runner.configuration.resolve import Examined, require_sound
from benchmark_runner.configuration.search import is_pilot
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.hashes import fingerprint
from benchmark_runner.launch.program import cannot_load
from benchmark_runner.launch.record import MEASURE_VERSION
from benchmark_runner.load.connection import key_problem
from benchmark_runner.model.texts import DEFAULT_PROMPTS
from benchmark_runner.records.build import read_build
from benchmark_runner.records.whole import DAMAGED, words_of
from benchmark_runner.remembered import FOLDER, HASHES
from benchmark_runner.statistics.design import design_of
from benchmark_runner.statistics.planned import at_most


class Campaign:
    """A resolved configuration with its engines, its model and its launches in order."""

    def __init__(
        self,
        config: dict[str, Any],
        engines: Sequence[Engine],
        workloads: Sequence[dict[str, Any]],
        model: Model,
        engines_folder: Path,
        owed_grids: Mapping[str, str] | None = None,
    ) -> None:
        """owed_grids: of a pilot, by workload the file with the levels that it is to find."""
        self.config = config
        self.owed_grids = owed_grids or {}
        self.engines = {engine.name: engine for engine in engines}
        self.workloads = {workload["name"]: workload for workload in workloads}
        self.model = model
        self.engines_folder = engines_folder
        self.output_dir = os.path.normpath(config["benchmark"]["output_dir"])

    def identity(self, engine: Engine, workload: Mapping[str, Any]) -> str:
        """Short hash of all that determines a launch of engine on workload, with the test cases that it is asked
        for."""
        measured = ("cases", "iterations_per_launch", "warmup_iterations")
        workload = as_asked({"not_asked": left_out([engine], [workload])}, engine.name, workload)
        return fingerprint(
            {
                "measure_version": MEASURE_VERSION,
                "engine": engine.identity_parts(),
                "model": self.model.identity,
                "workload": {key: workload[key] for key in measured},
                "system": settings_of_launches(self.config["system"]),
                "monitoring": self.config["monitoring"],
            }
        )

    def records_of(self, workload: Mapping[str, Any]) -> int:
        """How many records of a workload there are, whatever their block."""
        launches = Path(self.output_dir, "launches")
        return sum(
            count_records(launches / name / f"{workload['name']}.{self.identity(engine, workload)}")
            for name, engine in self.engines.items()
        )

    @cached_property
    def not_asked(self) -> list[dict[str, str]]:
        """Test cases that engines are not asked for, with the reason, as the plan has them."""
        return left_out(self.engines.values(), self.workloads.values())

    @cached_property
    def asked(self) -> dict[str, Any]:
        """What the plan says of who is asked for what: its engines, workloads and not_asked, where there are any."""
        return {
            "engines": [engine.describe() for engine in self.engines.values()],
            "workloads": list(self.workloads.values()),
            **({"not_asked": self.not_asked} if self.not_asked else {}),
        }

    @property
    def _cells(self) -> list[Cell]:
        return [
            (engine.name, name, self.identity(engine, workload))
            for engine in self.engines.values()
            for name, workload in self.workloads.items()
        ]

    @cached_property
    def groups(self) -> Groups | None:
        """The groups of a campaign until decided; None where the number of launches is fixed."""
        engines = sum(engine.control_of is None for engine in self.engines.values())
        cases = sum(len(workload["cases"]) for workload in self.workloads.values())
        benchmark, analysis = self.config["benchmark"], self.config["analysis"]
        looks = design_of(engines, cases, benchmark["launches"], analysis, untested(self.asked)).looks
        return Groups(looks, self._cells, self.config["analysis"], self.output_dir) if looks else None

    @property
    def until(self) -> dict[str, Any] | None:
        """The plan's `until`; None where the number of launches is fixed."""
        alpha = round(1.0 - self.config["analysis"]["confidence_level"], 12)
        return self.groups.describe(alpha) if self.groups else None

    @property
    def owed_look(self) -> str | None:
        """File of the look that decides how a campaign until decided goes on; None where none is to be made."""
        return self.groups.owed_look if self.groups else None

    def has_moved_on(self) -> bool:
        """Whether a look was made, or levels found, since this was planned: the next call owes something else."""
        if self.owed_grids:
            return all(Path(file).is_file() for file in self.owed_grids.values())
        return self.groups is not None and self.groups.reread().owed_look != self.groups.owed_look

    @cached_property
    def launches(self) -> list[PlannedLaunch]:
        """All launches in the order in which they run, of a campaign until decided those of the groups so far."""
        benchmark = self.config["benchmark"]
        blocks = self.groups.blocks if self.groups else [self._cells] * benchmark["launches"]
        order = balanced_blocks(blocks, benchmark["seed"])
        return [
            PlannedLaunch(position, block, *cell, output_dir=self.output_dir)
            for position, (block, cell) in enumerate(order, start=1)
        ]

    @cached_property
    def _records(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in self.engines}
        for launch in self.launches:
            found[launch.engine].append(launch.record)
        return found

    def records(self, engine: str) -> list[str]:
        """Records of an engine's launches, in launch order."""
        return self._records[engine]

    def samples(self) -> list[str]:
        """The monitor's samples of each launch, where they are there or the launch is owed, which writes them."""
        found = [(launch, f"{launch.folder}/metrics.jsonl") for launch in self.launches]
        return [file for launch, file in found if launch.key in self.owed_launches or Path(file).is_file()]

    @cached_property
    def owed_launches(self) -> dict[str, PlannedLaunch]:
        """Launches that are to be run, by key: without a whole record, or unavailable then and possible now.

        A record that stands is a fact: to the workflow it is a source file, which nothing reruns or overwrites.
        """
        words = self._words
        doubtful = [launch for launch in self.launches if words.get(launch.record) not in SETTLED]
        return {
            launch.key: launch
            for launch in doubtful
            if launch.record in self.damaged or is_owed(Path(launch.record), engine_is_back=self._can_run(launch))
        }

    @cached_property
    def _words(self) -> dict[str, str]:
        return words_of((launch.record for launch in self.launches), FOLDER / "records.json")

    @cached_property
    def damaged(self) -> frozenset[str]:
        """Records that are there to both ends and broken in between."""
        return frozenset(record for record, word in self._words.items() if word == DAMAGED)

    @cached_property
    def _is_back(self) -> dict[str, bool]:
        return {
            name: engine_is_back(engine, self.engines_folder) and not self.weights.refused(engine)
            for name, engine in self.engines.items()
        }

    @cached_property
    def _runnable(self) -> set[tuple[str, str]]:
        """Engines and workloads of launches that could be run now."""
        return {
            (engine["name"], workload["name"])
            for engine in self.asked["engines"]
            for workload in self.asked["workloads"]
            if self._is_back[engine["name"]]
            and cannot_load(engine, as_asked(self.asked, engine["name"], workload)) is None
        }

    def _can_run(self, launch: PlannedLaunch) -> bool:
        return (launch.engine, launch.workload) in self._runnable

    @cached_property
    def weights(self) -> CampaignWeights:
        """What the engines open."""
        return CampaignWeights(self.model, self.engines, self.reference)

    @cached_property
    def planned(self) -> dict[str, PlannedLaunch]:
        """All launches by key."""
        return {launch.key: launch for launch in self.launches}

    def priority(self, key: str) -> int:
        """Job priority under which a greedy scheduler keeps the order."""
        return len(self.launches) + 1 - self.planned[key].position

    def attempt(self, key: str) -> int:
        """Number of the attempt that a launch makes."""
        return attempts_made(Path(self.planned[key].record)) + 1

    @cached_property
    def builds(self) -> dict[str, Engine]:
        """Engines that the workflow builds, by binary path; engines that share a binary share its build."""
        return {engine.binary_path: engine for engine in self.engines.values() if engine.adapter}

    def require_owed(self) -> None:
        """Raise BenchmarkError where another Snakemake has meanwhile measured a launch that was owed, or where a key of
        a server is not here."""
        for launch in self.owed_launches.values():
            engine = self.engines[launch.engine]
            if (name := engine.key_variable) is not None and (problem := key_problem(name)) is not None:
                raise BenchmarkError(f"{engine.control_of or engine.name}: {problem}")
            back = self._can_run(launch)
            if launch.record not in self.damaged and not is_owed(Path(launch.record), engine_is_back=back):
                raise BenchmarkError(
                    f"another Snakemake has measured {launch.record} while this one planned; run the same command "
                    "again, which measures what is owed now"
                )

    def owed(self) -> dict[str, Any]:
        """Positions of the launches that are to be run, for those that tell how far the campaign is."""
        return {"owed": [launch.position for launch in self.owed_launches.values()]}

    def set_aside(self) -> list[str]:
        """Keep broken records of the campaign under another name; a line for each. Their launches are owed."""
        records = [launch.record for launch in self.launches]
        kept = ((record, set_aside(Path(record), damaged=record in self.damaged)) for record in records)
        words = "is no whole record, so its launch is measured again; it is kept as"
        return [f"note: {record} {words} {aside}" for record, aside in kept if aside]

    def options(self) -> list[dict[str, Any]]:
        """Options of each engine, and how those are asked that already run."""
        return [content for engine in self.engines.values() for content in (dict(engine.options), engine.asked)]

    def notices(self, *, here: bool = True) -> list[str]:
        """A line for each thing that the launches ahead, which run here or on other machines, ask for and lack."""
        if not self.owed_launches:
            return []
        engines = self.engines.values()
        return list(notices_of(self.config["system"], engines, self.asked, self.engines_folder, here=here))

    @property
    def reference(self) -> str:
        """Engine whose float32 ids the others are held against: the first on REFERENCE_ADAPTER, else the baseline."""
        names = (engine.name for engine in self.engines.values() if engine.adapter == REFERENCE_ADAPTER)
        return next(names, str(self.config["benchmark"]["baseline"]))

    @property
    def device_of_checks(self) -> str:
        """Device on which adapters are put through the protocol: the CPU, unless the configuration insists on a GPU."""
        system = self.config["system"]
        return f"cuda:{system['gpu_device']}" if system["device"] == "cuda" else "cpu"

    def build_fingerprint(self, binary_path: str) -> dict[str, Any]:
        """What a build depends on: its source, its device, and until it has succeeded the tool that it lacks."""
        engine = self.builds[binary_path]
        assert engine.adapter is not None
        adapter = adapters.load_adapter(self.engines_folder / engine.adapter)
        build, device = read_build(f"{binary_path}.build.json"), engine.build_device or "cpu"
        missing = None if build and build["status"] == "built" else adapters.missing_tool(adapter, device)
        parts = {"source": engine.source, "device": engine.build_device or "", "missing_tool": missing or ""}
        if adapter.language == "python":
            parts["sources"] = "copied"  # programs of before run the checkout
        cuda = cuda_request(adapter, device, os.environ.get(adapters.CAPABILITY_VARIABLE))
        return parts if cuda is None else {**parts, "cuda": cuda}

    def plan(self) -> dict[str, Any]:
        """The campaign as plan.json holds it, without what needs statistics."""
        benchmark = self.config["benchmark"]
        control = next((engine.name for engine in self.engines.values() if engine.control_of), None)
        blocks = max(launch.block for launch in self.launches)
        return {
            "schema_version": 1,
            "config": self.config,
            "campaign": {
                "name": benchmark["name"],
                "quick": benchmark["quick"],
                "baseline": benchmark["baseline"],
                "control": control,
                "launches": blocks,
                "until": self.until,
                "seed": benchmark["seed"],
                "headline": benchmark["headline"],
                **({"pilot": True} if is_pilot(self.config) else {}),
            },
            "model": self.model.describe(),
            **self.asked,
            "licences": {engine.name: engine.licence for engine in self.engines.values() if engine.licence},
            "workloads": [
                {**workload, "iterations_total": workload["iterations_per_launch"] * blocks}
                for workload in self.workloads.values()
            ],
            "order": [
                {
                    "position": launch.position,
                    "block": launch.block,
                    "engine": launch.engine,
                    "workload": launch.workload,
                    "identity": launch.identity,
                    "folder": launch.folder,
                }
                for launch in self.launches
            ],
            "fidelity": {
                "reference": self.reference,
                "max_new_tokens": self.config["fidelity"]["max_tokens"],
                "prompts": self.config["fidelity"]["prompts"] or list(DEFAULT_PROMPTS),
                "sampling": hottest_sampling(self.workloads.values()),
                **requests_at_once(self.workloads.values()),
            },
        }


def campaign_of(examined: Examined, engines_folder: Path) -> Campaign:
    """Campaign of a configuration without problems; launches go on as those that were measured began.

    Its configuration names the engine that runs twice, so that no job decides that anew.
    """
    config = examined.chosen()
    # Weights are hashed only now: of a large model that takes longer than all checks together.
    model = locate_model(Path(config["benchmark"]["model_path"]), config["benchmark"]["hugging_face"], HASHES)
    found = found_levels(config, model.identity)
    config, benchmark = found.config, found.config["benchmark"]
    engines, launches = campaign_engines(config, engines_folder), at_most(benchmark["launches"])
    counting = Campaign(config, engines, [], model, engines_folder)

    def continued(entry: Mapping[str, Any]) -> dict[str, Any]:
        def records_with(per_launch: int) -> int:
            return counting.records_of(planned_workload(entry, launches, per_launch))

        if has_load(entry):
            return planned_workload(entry, launches, 1)
        per_launch = iterations_per_launch(entry["iterations"], launches, records_with)
        return planned_workload(entry, launches, per_launch)

    workloads = [{**continued(entry), **found.section(entry["name"])} for entry in config["workloads"]]
    if benchmark["control"] == CHEAPEST:
        cells = [
            {"engine": engine.name, "workload": workload["name"], "identity": counting.identity(engine, workload)}
            for engine in engines
            for workload in workloads
        ]
        benchmark["control"] = cheapest_control(cells, Path(counting.output_dir), benchmark["baseline"])
    campaign = Campaign(config, with_control(engines, benchmark), workloads, model, engines_folder, found.owed)
    for binary_path in campaign.builds:
        read_build(f"{binary_path}.build.json")  # refuses one of another shape before a rule or a job reads it
    return campaign


def load_campaign(
    raw: Mapping[str, Any],
    files: Iterable[str | Path],
    engines_folder: Path,
    overrides: Mapping[str, Any] | None = None,
) -> Campaign:
    """Campaign of a merged configuration; paths in it are relative to the current folder.

    files and overrides (of the command line) tell where a key was written. Raises ConfigurationError with every
    problem.
    """
    examined = examine_whole(raw, engines_folder, overrides)
    require_sound(Positions(files, overrides).lines(examined.problems))
    campaign = campaign_of(examined, engines_folder)
    campaign.weights.require_unaltered(HASHES)
    return campaign
