"""What the statistics start from: the plan, each engine's launches without their token times, and fidelity."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from statistics import fmean, median
from typing import Any

from benchmark_runner.checked import FAIL, NOT_CHECKABLE
from benchmark_runner.configuration.not_asked import as_asked, not_asked, not_asked_words
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, read_valid, value_at
from benchmark_runner.records.raw_data import read_heads
from benchmark_runner.statistics.levels import in_place, load_words, parts_of_place
from benchmark_runner.statistics.metrics import METRICS, STAGE_METRICS, Metric
from benchmark_runner.status import Status

POOLED_KEYS = ("measure_version", "model.identity")
"""Keys on which all launches of a campaign must agree, whatever their engine."""


@dataclass(frozen=True)
class MeasuredLaunch:
    """Head of one record: all but its iterations."""

    engine: str
    workload: str
    block: int
    position: int
    status: str
    hostname: str
    boot_id: str
    started: datetime
    ended: datetime
    record: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """Whether the launch ended well, so that its times count."""
        return self.status == Status.OK

    @property
    def device(self) -> str | None:
        """Device that computed."""
        return device_of(self.record)


def own_load(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an engine told as it had loaded, with the times of that; nothing of a server that already ran: nobody saw it
    load, and its threads are the configuration's words."""
    return {} if value_at(record, "server.restarted") is False else record.get("load") or {}


def device_of(record: Mapping[str, Any]) -> str | None:
    """Device that computed: the kind that the engine names, with the GPU's number from the spec; None where unknown.

    An engine's own words differ ("cuda", "Cuda(0)", "cuda:0"), and an engine may have fallen back to the CPU unasked.
    """
    asked = record.get("device")
    said = str(value_at(record, "load.device") or asked or "").lower()
    if "cuda" in said:
        return asked if isinstance(asked, str) and asked.startswith("cuda") else "cuda"
    return "cpu" if "cpu" in said else said or None


def energy_part(device: str | None) -> str:
    """Part of the machine whose energy a launch is told by: the processor package where that computed, else the GPU."""
    return "package" if device == "cpu" else "gpu"


@dataclass(frozen=True)
class EngineData:
    """One engine of the campaign with its launches."""

    name: str
    control_of: str | None
    launches: tuple[MeasuredLaunch, ...]
    unlike: tuple[Mapping[str, Any], ...]
    not_part_of_campaign: tuple[Mapping[str, Any], ...]
    fidelity: Mapping[str, Any]

    @cached_property
    def _by_workload(self) -> Mapping[str, list[MeasuredLaunch]]:
        found: dict[str, list[MeasuredLaunch]] = {}
        for launch in self.launches:
            found.setdefault(launch.workload, []).append(launch)
        return found

    @cached_property
    def _good(self) -> Mapping[str | None, list[MeasuredLaunch]]:
        found: dict[str | None, list[MeasuredLaunch]] = {None: [launch for launch in self.launches if launch.ok]}
        for name, launches in self._by_workload.items():
            found[name] = [launch for launch in launches if launch.ok]
        return found

    @cached_property
    def _devices(self) -> Mapping[str | None, list[str]]:
        return {
            name: sorted({device for launch in good if (device := launch.device) is not None})
            for name, good in self._good.items()
        }

    def devices(self, workload: str) -> list[str]:
        """Devices that computed in the launches of a workload that ended well."""
        return self._devices.get(workload, [])

    def ok(self, workload: str | None = None) -> list[MeasuredLaunch]:
        """Launches that ended well, of one workload or of all."""
        return self._good.get(workload, [])

    def of(self, workload: str) -> list[MeasuredLaunch]:
        """Launches of one workload, however they ended."""
        return self._by_workload.get(workload, [])

    def without(self, workloads: Container[str]) -> EngineData:
        """The same without its launches of these workloads."""
        return replace(self, launches=tuple(one for one in self.launches if one.workload not in workloads))

    @property
    def fidelity_failed(self) -> bool:
        """Whether the engine was seen to compute something else than the reference."""
        return self.fidelity.get("result") == FAIL


def not_restarted(plan: Mapping[str, Any]) -> list[str]:
    """Engines of a plan, the control among them, that are servers which already ran."""
    return [one["name"] for one in plan["engines"] if "running" in (one.get("server") or {})]


@dataclass(frozen=True)
class Measurements:
    """All that the statistics know; engines in the plan's order."""

    plan: Mapping[str, Any]
    engines: Mapping[str, EngineData]

    @property
    def settings(self) -> Mapping[str, Any]:
        """The configuration's section `analysis`."""
        analysis: Mapping[str, Any] = self.plan["config"]["analysis"]
        return analysis

    @property
    def level(self) -> float:
        """Confidence level of intervals."""
        return float(self.settings["confidence_level"])

    @property
    def alpha(self) -> float:
        """Level of tests: 1 minus the confidence level, without the rounding of the difference."""
        return round(1.0 - self.level, 12)

    @property
    def cells(self) -> list[tuple[str, str]]:
        """(workload, case) in the plan's order."""
        return [(entry["name"], case["name"]) for entry in self.plan["workloads"] for case in entry["cases"]]

    @cached_property
    def loads(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """What is sent at once, by (workload, case), of the test cases with load; the plan's words."""
        return {
            (entry["name"], case["name"]): case["load"]
            for entry in self.plan["workloads"]
            for case in entry["cases"]
            if case.get("load")
        }

    def place(self, workload: str, case: str | None) -> str:
        """What a test case is called wherever people read of it."""
        words = load_words(self.loads.get((workload, case or "")))
        alone = sum(name == workload for name, _ in self.cells) < 2
        return in_place(parts_of_place(workload, case, words, alone=alone))

    @cached_property
    def not_restarted(self) -> frozenset[str]:
        """Engines that are servers which already ran: their launches are passes over one start."""
        return frozenset(not_restarted(self.plan))

    def why_no_gate(self, name: str) -> str | None:
        """Why a regression cannot be told of an engine; None where it can."""
        told = f"{name} was not restarted between its passes, so nobody knows how starts of it differ"
        return told if name in self.not_restarted else None

    @cached_property
    def refused(self) -> Mapping[str, Mapping[str, str]]:
        """By engine the workloads under load that it refused by name and served others beside, with its reason: a
        refusal before anything starts is no lost launch and hides no slow one."""
        loaded = dict.fromkeys(workload for workload, _ in self.loads)
        found: dict[str, dict[str, str]] = {name: {} for name in self.engines}
        for name, engine in self.engines.items():
            for workload in loaded if engine.ok() else ():
                told = engine.of(workload)
                if told and all(one.status == Status.UNAVAILABLE for one in told):
                    found[name][workload] = str(told[0].record["reason"] or "refused")
        return found

    @cached_property
    def not_asked(self) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
        """By engine and workload the test cases that it was not asked for, with the reason."""
        found: dict[str, dict[str, Mapping[str, str]]] = {name: {} for name in self.engines}
        for name, workloads in found.items():
            left_out = ((one, not_asked(self.plan, name, one)) for one in self.workloads)
            workloads |= {workload: cases for workload, cases in left_out if cases}
        return found

    def why_unmeasured(self, engine: str, workload: str, case: str | None = None) -> str:
        """Why nothing is known of an engine in a test case, or on a workload of which no launch ended ok."""
        if reason := self.not_asked[engine].get(workload, {}).get(case or ""):
            return not_asked_words(engine, workload, {str(case): reason})
        if reason := self.refused[engine].get(workload):
            return f"{engine} was not measured in {workload}: {reason}"
        return f"no launch of {engine} on {workload} ended ok"

    def why_other_work(self, engine: str, workload: str) -> str | None:
        """Why figures of an engine's whole launches are not of all test cases of a workload; None where they are."""
        if not (cases := self.not_asked[engine].get(workload)):
            return None
        return f"{not_asked_words(engine, workload, cases)}; so its launches did other work"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What is compared: metrics of a stage only where the campaign has load."""
        return (*METRICS, *STAGE_METRICS) if self.loads else METRICS

    @property
    def workloads(self) -> list[str]:
        """Names of the workloads in the plan's order."""
        return [entry["name"] for entry in self.plan["workloads"]]

    @cached_property
    def launches(self) -> list[MeasuredLaunch]:
        """Launches of all engines."""
        return [launch for engine in self.engines.values() for launch in engine.launches]

    @cached_property
    def folders(self) -> Mapping[int, int]:
        """Number of the folder that each block of a joined campaign was measured in; empty where none was joined."""
        joined = "joined" in self.plan["campaign"]
        return {row["block"]: row["measured"]["in"] for row in self.plan["order"]} if joined else {}

    @cached_property
    def machines(self) -> Mapping[tuple[str, str, int], str]:
        """Name of the machine of each launch, by engine, workload and block: one host name over restarts, or one boot
        over containers."""
        joined = self.plan["campaign"].get("joined")
        found: dict[tuple[str, str, int], str] = {}
        by_boot: dict[str, str] = {}
        by_host: dict[str, str] = {}
        for one in sorted(self.launches, key=lambda launch: launch.started):
            named = joined["folders"][self.folders[one.block]]["machines"] if joined else {}
            host = named.get(one.hostname, one.hostname)
            name = by_boot.get(one.boot_id) or by_host.get(host) or host
            by_boot[one.boot_id] = by_host[host] = found[one.engine, one.workload, one.block] = name
        return found

    def machine_by_block(self, engine: str, workload: str) -> Mapping[int, str]:
        """Machine of each launch of a cell; empty where the campaign has one machine."""
        if len(self._machine_names) < 2:
            return {}
        own = self.engines[engine].of(workload)
        return {one.block: self.machines[engine, workload, one.block] for one in own}

    @cached_property
    def _machine_names(self) -> frozenset[str]:
        return frozenset(self.machines.values())

    @cached_property
    def _pause_s(self) -> float:
        """Usual time from the end of a launch to the start of the next on its machine, in seconds."""
        ordered = sorted(self.launches, key=lambda launch: (launch.boot_id, launch.started))
        gaps = [
            (after.started - before.ended).total_seconds()
            for before, after in itertools.pairwise(ordered)
            if before.boot_id == after.boot_id
        ]
        return max(0.0, median(gaps)) if gaps else 0.0

    def launch_seconds(self, engine: str, workload: str) -> float | None:
        """Mean time of an engine's launches on a workload with the pause before each; None where none ended ok."""
        took = [(one.ended - one.started).total_seconds() for one in self.engines[engine].ok(workload)]
        return fmean(took) + self._pause_s if took else None


def launch_head(record: Mapping[str, Any]) -> MeasuredLaunch:
    """Head of a record, its iterations left out."""
    return MeasuredLaunch(
        engine=record["engine"],
        workload=record["workload"],
        block=record["block"],
        position=record["position"],
        status=record["status"],
        hostname=record["host"]["hostname"],
        boot_id=record["host"]["boot_id"],
        started=datetime.fromisoformat(record["started_at"]),
        ended=datetime.fromisoformat(record["ended_at"]),
        record={key: value for key, value in record.items() if key != "iterations"},
    )


def require_poolable(launches: Iterable[MeasuredLaunch], plan: Mapping[str, Any]) -> None:
    """Raise BenchmarkError naming the first key on which launches of the campaign differ although they must not."""
    launches = list(launches)
    for key in POOLED_KEYS:
        holders: dict[Any, MeasuredLaunch] = {}
        for launch in launches:
            value = value_at(launch.record, key)
            if value is not None:
                holders.setdefault(value, launch)
        if len(holders) > 1:
            names = "; ".join(f"{value!r} in {one.engine} {one.workload} {one.block}" for value, one in holders.items())
            raise BenchmarkError(f"launches differ in {key} ({names}) and cannot be compared; analyse them apart")
    prompts: dict[tuple[str, str], tuple[Any, MeasuredLaunch]] = {}
    for launch in launches:
        for case, asked in asked_cases(launch, plan).items():
            prompt_ids = asked["prompt_ids"]
            first = prompts.setdefault((launch.workload, case), (prompt_ids, launch))
            if prompt_ids != first[0]:
                raise BenchmarkError(
                    f"{launch.engine} and {first[1].engine} were given different prompts for {launch.workload} and "
                    "cannot be compared; run the launches of both again"
                )


def asked_cases(launch: MeasuredLaunch, plan: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What the spec of a launch asked for, by test case; nothing where it has none."""
    cases = value_at(launch.record, "spec.cases") or []
    workload = next((one for one in plan["workloads"] if one["name"] == launch.workload), {"name": "", "cases": []})
    names = [case["name"] for case in as_asked(plan, launch.engine, workload)["cases"]]
    return dict(zip(names, cases, strict=False))


def engine_data(raw: Mapping[str, Any], fidelity: Mapping[str, Any] | None) -> EngineData:
    """Content of a raw_data file without its iterations."""
    unchecked = {"result": NOT_CHECKABLE, "reason": "the fidelity check did not run"}
    return EngineData(
        name=raw["engine"],
        control_of=raw["control_of"],
        launches=tuple(launch_head(record) for record in raw["launches"]),
        unlike=tuple(raw.get("unlike", ())),
        not_part_of_campaign=tuple(raw.get("not_part_of_campaign", ())),
        fidelity=fidelity or raw.get("fidelity") or unchecked,
    )


def read_inputs(plan_file: Path, raw_files: Sequence[Path], fidelity_files: Sequence[Path]) -> Measurements:
    """Read what the statistics start from, one raw file at a time so that memory holds the iterations of one engine.

    Raises BenchmarkError where an engine of the plan has no raw data or launches must not be compared.
    """
    plan = read_json(plan_file)
    fidelity = {content["engine"]: content for content in (read_valid("fidelity", path) for path in fidelity_files)}
    found: dict[str, EngineData] = {}
    for path in raw_files:
        raw = read_heads(path)
        found[raw["engine"]] = engine_data(raw, fidelity.get(raw["engine"]))
    names = [entry["name"] for entry in plan["engines"]]
    missing = [name for name in names if name not in found]
    if missing:
        raise BenchmarkError(f"no raw data of {', '.join(missing)}; give --raw one file for each engine of the plan")
    inputs = Measurements(plan, {name: found[name] for name in names})
    require_poolable(inputs.launches, plan)
    return inputs
