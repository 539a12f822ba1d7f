"""`python -m benchmark_runner.environment.node`: the machine that a block is measured on, beside those of before.

A block that was begun on another node has both. Blocks of one campaign run on machines of one kind: what differs
between kinds would otherwise be taken for chance.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmark_runner.campaign.machine import refused, this_machine
from benchmark_runner.commands import command
from benchmark_runner.environment.__main__ import machine_document
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, write_json

SCHEMA_VERSION: Final = 1


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


def require_given(system: Mapping[str, Any]) -> None:
    """Raise BenchmarkError for what system.strict insists on and this machine lacks."""
    found = refused(system, this_machine(system)) if system["strict"] else []
    if found:
        raise BenchmarkError("; ".join(f"{'.'.join(map(str, key))}: {words}" for key, words in found))


def main(argv: Sequence[str]) -> int:
    """Add this machine to those of a block; to be run on the node, before the block's launches."""
    parser = command("environment.node", main.__doc__, "plan", "environment", out="<block>.json")
    options = parser.parse_args(argv)
    require_given(read_json(options.plan)["config"]["system"])
    machine = machine_document(Path("/"))
    require_alike(machine, read_json(options.environment))
    before = read_json(options.out)["machines"] if options.out.is_file() else []
    others = [one for one in before if one["host"] != machine["host"]]
    write_json(options.out, {"schema_version": SCHEMA_VERSION, "machines": [*others, machine]})
    return 0


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
