"""What memory each engine takes, and the smallest machines of the catalogue that hold it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark_runner.display import ABSENT, bytes_text, estimate_parts, plural
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.overview import usd
from benchmark_runner.report.results import engine_cell
from benchmark_runner.report.tables import Table, TableCell, heads, number


def hardware(inputs: ReportInputs) -> dict[str, Any]:
    """{table, words}: a row an engine, machines for requests of the longest context; words say where it is from."""
    found = [row for row in inputs.business["hardware_requirements"] if row["engine"] in inputs.signs]
    asked = dict.fromkeys(
        (machine["context_tokens"], machine["requests_in_flight"]) for row in found for machine in row["machines"]
    )
    longest = max((context for context, _ in asked), default=0)
    counts = [count for context, count in asked if context == longest]
    columns = heads("Engine", number("Weights"), number("KV cache", "a token; a request in flight"))
    columns += [number("Memory", "measured peak"), number("GPU memory", "measured peak")]
    columns += heads(*(f"Smallest machine, {plural(count, 'request')} in flight" for count in counts))
    rows = [
        [
            engine_cell(inputs, row["engine"]),
            _size(row["weights"]["bytes"], row["weights"]["dtype"]),
            _cache(row["kv_cache"]),
            *(_peak(row[kind]) for kind in ("peak_ram_bytes", "peak_vram_bytes")),
            *(_machine(row, longest, count) for count in counts),
        ]
        for row in found
    ]
    caption = f"Memory; machines for requests of {longest:,} tokens of prompt and answer" if longest else "Memory"
    sources = dict.fromkeys(text for row in found for text in (row["kv_cache"]["source"], row["machines_source"]))
    return {"table": Table(caption, columns, rows), "words": [f"{text[0].upper()}{text[1:]}." for text in sources]}


def _size(size_bytes: float | None, below: str | None = None) -> TableCell:
    return TableCell(ABSENT if size_bytes is None else bytes_text(size_bytes), below, size_bytes)


def _cache(cache: Document) -> TableCell:
    """Bytes a token, and beneath those of a request at each context; of an unknown cache the reason."""
    requests = (f"{bytes_text(size)} at {int(tokens):,} tokens" for tokens, size in cache["bytes_per_request"].items())
    return _size(cache["bytes_per_token"], "; ".join(requests) or cache["reason"])


def _peak(estimate: Mapping[str, Any] | None) -> TableCell:
    if estimate is None:
        return TableCell(ABSENT)
    return TableCell(*estimate_parts(estimate, "bytes"), estimate["point"])


def _machine(row: Document, context: int, count: int) -> TableCell:
    """The smallest machine with its memory and price, or why there is none."""
    asked = (context, count)
    found = [one for one in row["machines"] if (one["context_tokens"], one["requests_in_flight"]) == asked]
    if not found:
        return TableCell(ABSENT, row["reason"])
    need = f"for {bytes_text(found[0]['need_bytes'])}"
    if not found[0]["smallest"]:
        return TableCell(found[0]["reason"], need)
    machine = found[0]["smallest"][0]
    price = "" if machine["usd_per_hour"] is None else f"; {usd(machine['usd_per_hour'])} an hour, {machine['as_of']}"
    return TableCell(machine["price_id"], f"{need}, has {bytes_text(machine['memory_bytes'])}{price}")
