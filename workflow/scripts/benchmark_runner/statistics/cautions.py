"""What could make a campaign's numbers wrong, each with how serious it is and what helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from benchmark_runner.checked import FAIL, NOT_CHECKABLE
from benchmark_runner.display import plural
from benchmark_runner.jsonio import value_at
from benchmark_runner.statistics.inputs import EngineData, MeasuredLaunch, Measurements
from benchmark_runner.statistics.metrics import PRIMARY
from benchmark_runner.statistics.samples import label_of
from benchmark_runner.statistics.settings import DEVICE, KEYS, WORK_SETTINGS, alike_workloads, shown
from benchmark_runner.statistics.wording import FEWEST_FOR_MEDIAN, VERDICTS, chance_of_alarm, median_is_mean

Severity = Literal["note", "warning", "serious"]

FEWEST_MEASUREMENTS: Final = 50
"""Measurements of a test case below which percentiles and spread say little (reference recipe)."""

UNLIKE_SERIOUS: Final = ("load.device", "load.weights_dtype", "load.compute_dtype", "load.kv_cache_dtype")
"""Keys whose change within an engine makes its launches measurements of two different things."""


def caution(
    kind: str,
    severity: Severity,
    message: str,
    remedy: str,
    *,
    engine: str | None = None,
    workload: str | None = None,
) -> dict[str, Any]:
    """One entry of `warnings` in statistical_summary.json."""
    return {
        "kind": kind,
        "severity": severity,
        "engine": engine,
        "workload": workload,
        "message": message,
        "remedy": remedy,
    }


def campaign_cautions(inputs: Measurements) -> Iterator[dict[str, Any]]:
    """The design: quick look, no control, few measurements."""
    campaign = inputs.plan["campaign"]
    if campaign["quick"]:
        yield caution(
            "quick_look",
            "note",
            f"a quick look: {plural(campaign['launches'], 'launch')} an engine and workload, so small differences and "
            "tail percentiles stay unseen",
            "Run the comprehensive campaign: --configfile config/comprehensive.yaml",
        )
    if campaign["control"] is None:
        yield caution(
            "no_control",
            "warning",
            "no control ran, so nothing shows how large a difference this machine makes by itself",
            "Set benchmark.control: true",
        )
    few: dict[tuple[str, str, str], list[str]] = {}
    for workload in inputs.plan["workloads"]:
        if any(case.get("load") for case in workload["cases"]):
            continue  # its requests are no iterations, and each percentile of them says whether they suffice
        if words := median_is_mean(workload["iterations_per_launch"]):
            told = f"{words}, so one slow iteration moves the value of its launch"
            remedy = f"Raise iterations of the workload to {FEWEST_FOR_MEDIAN} or more a launch"
            few.setdefault(("few_iterations", told, remedy), []).append(workload["name"])
        if workload["iterations_total"] < FEWEST_MEASUREMENTS:
            told = f"each engine answers each test case {workload['iterations_total']} times in all launches together"
            remedy = f"Raise iterations of the workload to {FEWEST_MEASUREMENTS} or more"
            few.setdefault(("few_measurements", told, remedy), []).append(workload["name"])
    for (kind, told, remedy), names in few.items():
        only = names[0] if len(names) == 1 else None
        yield caution(kind, "note", f"{' and '.join(names)}: {told}", remedy, workload=only)


def split_cautions(blocks: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Blocks whose launches ran on several occasions, so that comparisons count fewer launches than there are."""
    if blocks:
        which = f"block {blocks[0]}" if len(blocks) == 1 else plural(len(blocks), "block")
        yield caution(
            "split_blocks",
            "note",
            f"{which} ran in parts (a break, a restart or another machine in between), so launches of different parts "
            "are not compared: some comparisons count fewer launches than were measured",
            "Nothing to do; a campaign without a break has none",
        )


def launch_cautions(inputs: Measurements, engine: EngineData) -> Iterator[dict[str, Any]]:
    """Launches that failed, that never ran, or that belong to another configuration."""
    planned = [slot for slot in inputs.plan["order"] if slot["engine"] == engine.name]
    absent = len(planned) - len(engine.launches)
    if absent:
        yield caution(
            "missing_launches",
            "warning",
            f"{absent} of {plural(len(planned), 'launch')} of {engine.name} are not in the results folder",
            "Run the campaign again: launches that are there are kept",
            engine=engine.name,
        )
    bad = [launch for launch in engine.without(inputs.refused[engine.name]).launches if not launch.ok]
    groups: dict[tuple[str, str], list[MeasuredLaunch]] = {}
    for launch in bad:
        groups.setdefault((launch.status, launch.record["reason"] or "no reason recorded"), []).append(launch)
    for (status, reason), launches in groups.items():
        workloads = {launch.workload for launch in launches}
        yield caution(
            "unavailable_engine" if status == "unavailable" else "failed_launches",
            "serious",
            f"{plural(len(launches), 'launch')} of {engine.name} ended as {status}: {reason}",
            launches[0].record["remedy"] or "See engine.log in the launch's folder",
            engine=engine.name,
            workload=workloads.pop() if len(workloads) == 1 else None,
        )
    for other in engine.not_part_of_campaign:
        yield caution(
            "other_identity",
            "note",
            f"{plural(other['launches'], 'launch')} of {engine.name} on {other['workload']} with identity "
            f"{other['identity']} belong to another configuration and are left out",
            "Nothing to do; going back to that configuration finds them again",
            engine=engine.name,
            workload=other["workload"],
        )


def likeness_cautions(engine: EngineData) -> Iterator[dict[str, Any]]:
    """Launches of one engine that differ in what should be equal."""
    for entry in (one for one in engine.unlike if one["key"] != "host.hostname"):  # machines are told once for all
        values = "; ".join(f"{value['value']} in blocks {value['blocks']}" for value in entry["values"])
        yield caution(
            "unlike_launches",
            "serious" if entry["key"] in UNLIKE_SERIOUS else "warning",
            f"launches of {engine.name} differ in {entry['key']} ({values})",
            "Run the engine's launches again under one condition, by moving their folders away",
            engine=engine.name,
            workload=entry["workload"],
        )


def fidelity_cautions(engine: EngineData) -> Iterator[dict[str, Any]]:
    """Whether the engine computes the same as the reference."""
    result, reason = engine.fidelity.get("result"), engine.fidelity.get("reason") or "no detail"
    if result == FAIL:
        yield caution(
            "fidelity_fail",
            "serious",
            f"{engine.name} does not compute the same as the reference ({reason}); it is measured, not ranked",
            f"Check its dtype and options, then see fidelity/{engine.name}.json for the first token that differs",
            engine=engine.name,
        )
    elif result == NOT_CHECKABLE and engine.ok():
        yield caution(
            "fidelity_unchecked",
            "warning",
            f"nobody knows whether {engine.name} computes the same as the reference ({reason})",
            "Run the fidelity check where the engine and the reference both run",
            engine=engine.name,
        )


def recorded_cautions(inputs: Measurements) -> Iterator[dict[str, Any]]:
    """What the launches themselves warned of, once a kind for the campaign, with an example."""
    seen: dict[str, dict[tuple[str, str, int], Mapping[str, Any]]] = {}
    for launch in inputs.launches:
        for warning in launch.record.get("warnings", ()):
            seen.setdefault(warning["kind"], {})[launch.engine, launch.workload, launch.block] = warning
    total = len(inputs.launches)
    for kind, by_launch in seen.items():
        (engine, workload, block), example = next(iter(by_launch.items()))
        engines = {name for name, _, _ in by_launch}
        yield caution(
            kind,
            "warning",
            f"{len(by_launch)} of {plural(total, 'launch')}; in launch {block} of {engine} on {workload}: "
            f"{example['message']}",
            example["remedy"],
            engine=engine if len(engines) == 1 else None,
        )


def throttle_cautions(engine: EngineData) -> Iterator[dict[str, Any]]:
    """Whether something held the GPU's clocks down."""
    throttled = [launch for launch in engine.ok() if value_at(launch.record, "monitor.gpu.throttle_reasons")]
    if throttled:
        held_down = [value_at(launch.record, "monitor.gpu.throttle_reasons") for launch in throttled]
        reasons = sorted({reason for one in held_down for reason in one})
        yield caution(
            "gpu_throttled",
            "warning",
            f"the GPU's clocks were held down during {plural(len(throttled), 'launch')} of {engine.name} "
            f"({', '.join(reasons)})",
            "Cool the GPU, raise system.cool_down_seconds, or lock its clocks",
            engine=engine.name,
        )


def absence_cautions(inputs: Measurements) -> Iterator[dict[str, Any]]:
    """What this machine could not measure, once for the campaign."""
    absent: dict[str, dict[str, None]] = {}
    for launch in inputs.launches:
        for field, reason in sorted((value_at(launch.record, "monitor.absent") or {}).items()):
            absent.setdefault(reason, {})[label_of(field)] = None
    if absent:
        what = "; ".join(f"{', '.join(labels)}: {reason}" for reason, labels in absent.items())
        yield caution(
            "not_measured",
            "note",
            f"this machine does not show everything ({what})",
            "Nothing for times; where you need these figures, measure on a machine that shows them (not a virtual one)",
        )


def comparability_cautions(engine_settings: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Engines that ran under different settings, once for all workloads in which they are the same."""
    groups = alike_workloads(engine_settings)
    for workloads, settings in groups:
        where = f" in {', '.join(workloads)}" if len(groups) > 1 else ""
        differing = {entry["setting"]: entry for entry in settings if entry["differs"]}
        device = differing.pop(DEVICE, None)
        if device is not None:
            yield caution(
                "devices_differ",
                "serious",
                f"engines computed on different devices{where}: {_values_words(device)}",
                "Set system.device, so that all engines compute on one device",
            )
        unequal = [differing.pop(name) for name in WORK_SETTINGS if name in differing]
        if unequal:
            listed = "; ".join(f"{entry['label']} {_values_words(entry)}" for entry in unequal)
            yield caution(
                "unequal_work",
                "warning",
                f"engines computed unequal amounts in an iteration{where}: {listed}; their times are not compared",
                "Set ignore_eos: true in the test cases, so that all answers are equally long; read prompts of unequal "
                "length by the metrics per token",
            )
        if differing:
            listed = "; ".join(f"{entry['label']} ({_values_words(entry)})" for entry in differing.values())
            yield caution(
                "settings_differ",
                "warning",
                f"engines computed with different settings{where}: {listed}",
                f"{_alike(differing)}read the comparison as one of engine and setting together",
            )


def _alike(differing: Collection[str]) -> str:
    """The keys that make settings alike, where the configuration has one."""
    keys = list(dict.fromkeys(KEYS[name] for name in differing if name in KEYS))
    return f"Set {' and '.join(keys)} alike, or " if keys else "No key of the configuration sets them: "


def _values_words(entry: Mapping[str, Any]) -> str:
    """Values of a setting with the engines that have them: "a and b 1, c 2"; what is unknown is left out."""
    holders: dict[str, list[str]] = {}
    for engine, value in entry["values"].items():
        if value is not None:
            holders.setdefault(shown(value), []).append(engine)
    return ", ".join(f"{' and '.join(names)} {value}" for value, names in holders.items())


def _quality_cautions(inputs: Measurements, cells: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    tests = (
        (
            "noisy",
            lambda cell: cell["noisy"],
            "times vary by 10 % or more within or between launches",
            "Close other programs, fix the clock frequency, pin the engine with system.cpu_affinity",
        ),
        (
            "drift",
            lambda cell: (cell["drift"] or {}).get("drifts"),
            "times drift over the campaign",
            "Raise system.cool_down_seconds; blocks keep drift out of comparisons, not out of an engine's own times",
        ),
        (
            "not_steady",
            lambda cell: (cell["steady_state"] or {}).get("steady") is False,
            "most launches still change level after the warm-up",
            "Raise warmup_iterations of the workload",
        ),
    )
    for kind, test, message, remedy in tests:
        found = [cell for cell in cells if test(cell["metrics"][PRIMARY])]
        if found:
            engines = {cell["engine"] for cell in found}
            where = "; ".join(f"{cell['engine']} in {inputs.place(cell['workload'], cell['case'])}" for cell in found)
            engine = engines.pop() if len(engines) == 1 else None
            yield caution(kind, "warning", f"{message} ({where})", remedy, engine=engine)


_QUIETER: Final = "Close what else ran (the warnings name it), move the disturbed launches' folders away, and run again"

_SENSITIVE: Final = {
    "outlier_sensitive": (
        "without_outliers",
        "without outliers",
        "Raise benchmark.launches, and look for what disturbed the flagged iterations",
    ),
    "event_sensitive": ("without_events", "without the launches that other programs disturbed", _QUIETER),
}
"""Qualifiers of verdicts that hang on some of the data: the analysis without these, in words, and what to do."""


def verdict_cautions(
    inputs: Measurements, comparisons: Sequence[Mapping[str, Any]], control: Mapping[str, Any] | None
) -> Iterator[dict[str, Any]]:
    """Verdicts that could not be given, or that hang on outliers or on an unsound control."""
    primary = [one for one in comparisons if one["kind"] == "primary"]
    measured = [one for one in primary if one["launches"]["engine"] and one["launches"]["reference"]]
    untestable = Counter(one["reason"] for one in measured if one["verdict"] == "untestable")
    for reason, count in untestable.items():
        few_launches = str(reason).startswith("too few launches")
        remedy = "Raise benchmark.launches" if few_launches else "See the warnings on the engines concerned"
        yield caution("untestable", "warning", f"{plural(count, 'comparison')} without a verdict: {reason}", remedy)
    if few := sum("few_undisturbed" in one["qualifiers"] for one in primary):
        yield caution(
            "few_undisturbed",
            "warning",
            f"in {few} of {plural(len(primary), 'comparison')} too few launches are left for a verdict without those "
            "that other programs disturbed",
            _QUIETER,
        )
    for one in primary:
        for mark, (alternative, words, remedy) in _SENSITIVE.items():
            if mark in one["qualifiers"]:
                verdict, otherwise = (VERDICTS[it["verdict"]].label for it in (one, one["sensitivity"][alternative]))
                yield caution(
                    mark,
                    "warning",
                    f"{one['engine']} against {one['reference']}, {inputs.place(one['workload'], one['case'])}: "
                    f"{verdict} with everything, {otherwise} {words}",
                    remedy,
                    engine=one["engine"],
                    workload=one["workload"],
                )
        if "unpaired" in one["qualifiers"] and one["verdict"] != "untestable":
            yield caution(
                "unpaired",
                "warning",
                f"{one['engine']} and {one['reference']} on {one['workload']} did not run side by side",
                "Run both engines' launches again in one campaign",
                engine=one["engine"],
                workload=one["workload"],
            )
    if control is None:
        return
    for cell in control["cells"]:
        if cell["differs"]:
            yield caution(
                "control_differs",
                "serious",
                f"{inputs.place(cell['workload'], cell['case'])}: {cell['sentence']}",
                chance_of_alarm(control["alpha"]),
                workload=cell["workload"],
            )


def all_cautions(
    inputs: Measurements,
    engine_settings: Sequence[Mapping[str, Any]],
    cells: Sequence[Mapping[str, Any]],
    comparisons: Sequence[Mapping[str, Any]],
    control: Mapping[str, Any] | None,
    of_launches: Iterable[Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
    """All warnings of a campaign, the serious ones first; of_launches are those that follow from how its launches
    depend on each other and on chance."""
    found: list[Mapping[str, Any]] = [
        *of_launches,
        *campaign_cautions(inputs),
        *comparability_cautions(engine_settings),
        *recorded_cautions(inputs),
    ]
    for engine in inputs.engines.values():
        found += [
            *launch_cautions(inputs, engine),
            *likeness_cautions(engine),
            *fidelity_cautions(engine),
            *throttle_cautions(engine),
        ]
    measured = [cell for cell in cells if cell["case"] is not None and cell["metrics"][PRIMARY]["launches"]]
    found += [*_quality_cautions(inputs, measured), *verdict_cautions(inputs, comparisons, control)]
    found += absence_cautions(inputs)
    order: Sequence[Severity] = ("serious", "warning", "note")
    return sorted(found, key=lambda entry: order.index(entry["severity"]))
