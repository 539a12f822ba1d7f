"""Jobs of a dry run by stage of the work, and the launches of the tiny campaign by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

STAGES: Mapping[str, frozenset[str]] = {
    "plan": frozenset({"write_plan", "write_part"}),
    "model": frozenset({"describe_model", "tokenize_prompts", "tokenize_fidelity_prompts"}),
    "launches": frozenset({"run_launch"}),
    "fidelity": frozenset({"compute_reference", "check_fidelity"}),
    "analysis": frozenset(
        {"collect_records", "tabulate_iterations", "tabulate_stages", "summarise_statistics", "analyse_performance"}
        | {"record_environment", "conclude", "write_logs"}
    ),
    "plots": frozenset({"plot_latency", "plot_throughput", "plot_memory", "plot_gpu"}),
    "advice": frozenset({"advise_costs"}),
    "report": frozenset({"write_report", "write_reproduction"}),
}
"""Rules by stage, in the order of the work."""

ENGINES = ("slow", "fast", "slow_control")
WORKLOADS = ("latency_test", "throughput_test")
NOTHING: frozenset[str] = frozenset()
ADVICE = frozenset({"plan", "advice", "report"})
ANALYSIS = ADVICE | {"analysis", "plots"}

Launches = set[tuple[str, str, int]]


def launches(
    engines: Iterable[str] = ENGINES, workloads: Iterable[str] = WORKLOADS, blocks: Iterable[int] = range(1, 6)
) -> Launches:
    blocks = list(blocks)
    return {(engine, workload, block) for engine in engines for workload in workloads for block in blocks}


def jobs_by_stage(jobs: Mapping[str, int]) -> dict[str, int]:
    """Jobs of a dry run by stage; fails for a rule that no stage has."""
    counted = {stage: sum(jobs.get(rule, 0) for rule in rules) for stage, rules in STAGES.items()}
    assert sum(counted.values()) == sum(count for rule, count in jobs.items() if rule != "all"), jobs
    return {stage: count for stage, count in counted.items() if count}
