"""Tables of a campaign that was measured on several machines: what each of them is, and each engine's times on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmark_runner.display import ABSENT, bytes_text, milliseconds, plural
from benchmark_runner.environment.machine import gpu_name
from benchmark_runner.report.forest import times
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.results import engine_cell
from benchmark_runner.report.tables import Table, TableCell, heads, number, prose
from benchmark_runner.statistics.places import place_of
from benchmark_runner.statistics.results import Cell


def machines(inputs: ReportInputs) -> list[tuple[str, Document]]:
    """(name, its part of environment.json) of each machine that environment.json describes, the first one first."""
    first = inputs.environment
    joined = inputs.plan["campaign"].get("joined")
    name = first["host"]["hostname"]
    named = joined["folders"][0]["machines"].get(name, name) if joined else name
    return [(named, first), *((one["machine"], one) for one in first.get("other_machines", ()))]


def machine_table(inputs: ReportInputs) -> Table:
    """A row a fact, a column a machine, with the reason where a value is absent."""
    found = machines(inputs)
    described = zip(*(_facts(document) for _, document in found), strict=True)
    rows = [[TableCell(facts[0][0]), *(_fact(*fact) for fact in facts)] for facts in described]
    columns = [prose(name) for name, _ in found] if len(found) > 1 else [prose("Here")]
    return Table("The machines" if len(found) > 1 else "The machine", heads("What", *columns), rows)


def _facts(document: Document) -> Iterator[tuple[str, Any, str | None]]:
    """(words, value, why it is absent) of one machine."""
    cpu, memory = document["cpu"], document["memory"]
    system, virtual = document["operating_system"], document["virtualisation"]
    named: list[tuple[str, Any, str]] = [
        ("Operating system", system["name"], "operating_system.name"),
        ("Kernel", f"{system['kernel']} ({system['architecture']})", ""),
        ("Processor", cpu["model"], "cpu.model"),
        ("Cores", f"{cpu['physical_cores']} physical, {cpu['logical_cores']} logical", ""),
        ("CPU quota", cpu.get("control_group_quota_cpus") or "none", ""),
        ("Governor", cpu["governor"], "cpu.governor"),
        ("Turbo", cpu["turbo"], "cpu.turbo"),
        ("Microcode", cpu["microcode"], "cpu.microcode"),
        ("Memory", bytes_text(memory["total_bytes"]), ""),
        ("Swap", bytes_text(memory["swap_total_bytes"]), ""),
        ("GPU", _gpus(document["gpu"]), "gpu"),
        ("Virtual machine", {True: "yes", False: "no", None: None}[virtual["virtual_machine"]], ""),
        ("Container", virtual["container"] or "no sign of one", ""),
        ("Processor flags", cpu["flags"], ""),
    ]
    for words, value, key in named:
        yield words, value, document["absent"].get(key)


def _fact(words: str, value: Any, reason: str | None) -> TableCell:
    if value is not None:
        return TableCell(str(value))
    return TableCell(f"{'none' if words == 'GPU' else 'not known'}: {reason or 'the system does not tell it'}")


def _gpus(gpu: Document | None) -> str | None:
    if gpu is None:
        return None
    sizes = [(device, device["memory_bytes"]) for device in gpu["devices"]]
    names = ", ".join(
        f"{gpu_name(device)} with {'memory that is not told' if size is None else bytes_text(size)}"
        for device, size in sizes
    )
    return f"{names}; driver {gpu['driver_version'] or ABSENT}, CUDA {gpu['cuda_driver_version'] or ABSENT}"


def times_by_machine(inputs: ReportInputs) -> Table:
    """A row an engine and test case, a column a machine: its typical latency there, and the ratio to the baseline."""
    cells = [cell for cell in inputs.statistics["cells"] if cell.get("by_machine") and cell["engine"] in inputs.signs]
    names = list(dict.fromkeys(one["machine"] for cell in cells for one in cell["by_machine"]))
    there = {
        (cell["engine"], cell["workload"], cell["case"], one["machine"]): one
        for cell in cells
        for one in cell["by_machine"]
    }
    baseline = inputs.plan["campaign"]["baseline"]
    rows = []
    for cell in cells:
        place = (cell["workload"], cell["case"])
        where = place_of(inputs.results, Cell(*place))
        found = [(there.get((cell["engine"], *place, name)), there.get((baseline, *place, name))) for name in names]
        columns = [_typical(*one, is_baseline=cell["engine"] == baseline) for one in found]
        rows.append([engine_cell(inputs, cell["engine"]), TableCell(where), *columns])
    return Table("Latency on each machine", heads("Engine", "Test case", *(number(name) for name in names)), rows)


def _typical(one: Document | None, baseline: Document | None, *, is_baseline: bool) -> TableCell:
    if one is None or one["typical"] is None:
        return TableCell(ABSENT)
    known = not is_baseline and baseline is not None and baseline["typical"] is not None
    ratio = f"{times(baseline['typical'] / one['typical'])} as fast as the baseline; " if known and baseline else ""
    return TableCell(milliseconds(one["typical"]), f"{ratio}{plural(one['launches'], 'launch')}", one["typical"])


def other_hosts(inputs: ReportInputs) -> list[str]:
    """Names of machines that ran launches and that the environment does not describe."""
    own = {document["host"]["hostname"] for _, document in machines(inputs)}
    return sorted({record["host"]["hostname"] for record in inputs.records} - own)
