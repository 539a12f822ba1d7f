"""Of which kind a machine is: what differs between kinds would be taken for chance within one campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark_runner.errors import BenchmarkError


def kind_of(machine: Mapping[str, Any]) -> dict[str, str]:
    """What makes two machines of one kind, in words."""
    gpus = machine["gpu"]["devices"] if machine["gpu"] else []
    cpu, quota_cpus = machine["cpu"], machine["cpu"].get("control_group_quota_cpus")
    cores = len(cpu.get("available_cores") or ()) or cpu["logical_cores"]
    return {
        "processor": str(cpu["model"]),
        "cores": f"{cores}{'' if quota_cpus is None else f' with a quota of {quota_cpus:g}'}",
        "GPUs": ", ".join(str(gpu.get("name")) for gpu in gpus) or "none",
        "container": machine["virtualisation"]["container"] or "none",
    }


def unlike_kind(machine: Mapping[str, Any], first: Mapping[str, Any]) -> str | None:
    """That a machine is of another kind than the first one of a campaign, and in what; None where it is not."""
    here, there = kind_of(machine), kind_of(first)
    if "control_group_quota_cpus" not in first["cpu"]:  # it was recorded when quotas were not looked for
        here["cores"] = here["cores"].partition(" ")[0]
    unlike = [f"{name}: {here[name]} here, {there[name]} there" for name in here if here[name] != there[name]]
    if not unlike:
        return None
    name, other = machine["host"]["hostname"], first["host"]["hostname"]
    return f"{name} is a machine of another kind than {other}, on which this campaign began ({'; '.join(unlike)})"


def require_alike(machine: Mapping[str, Any], first: Mapping[str, Any]) -> None:
    """Raise BenchmarkError that names what differs between a machine and the first one of the campaign."""
    if words := unlike_kind(machine, first):
        raise BenchmarkError(
            f"{words}; go on on one of that kind (a batch system's constraint, cores and container as they were), or "
            "give the other kind a campaign of its own (output_dir)"
        )
