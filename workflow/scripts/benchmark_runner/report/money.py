"""Cost as tables and sentences: what is known, and what is not with the reason."""

from __future__ import annotations

from typing import Any

from benchmark_runner.display import significant
from benchmark_runner.performance.advice import listed
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.results import as_sentence, engine_cell
from benchmark_runner.report.tables import Table, TableCell, heads, number, prose
from benchmark_runner.statistics.levels import slo_words
from benchmark_runner.statistics.sentences import CLAUSES, shared_clauses, without_clauses


def cost(inputs: ReportInputs) -> Table:
    """Dollars per million output tokens where a price is known; cost_words says why it is not known elsewhere."""
    columns = heads("Engine", "Where", number("Output tokens/s"))
    columns += [number("USD per million output tokens", "at full utilisation")]
    columns += [number("At your utilisation"), number("Price an hour"), prose("Price of")]
    rows = [_cost_row(inputs, row) for row in inputs.business["costs"] if row["price"] is not None]
    return Table(inputs.business["basis"]["formula"], columns, rows, empty="No cost in dollars is known.")


def cost_labels(inputs: ReportInputs) -> list[str]:
    """At which load each engine's cost holds, engines with the same words together; no names where all have them."""
    labels: dict[str, list[str]] = {}
    for row in inputs.business["infrastructure_costs"]:
        labels.setdefault(row["label"], []).append(row["engine"])
    if len(labels) == 1:
        return [as_sentence(label, inputs) for label in labels]
    return [f"{listed(names)}: {label}." for label, names in labels.items()]


def cost_words(inputs: ReportInputs) -> list[str]:
    """Why a cost is not known and what would make it known, each once; and on what the figures rest."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in inputs.business["costs"]:
        if row["reason"] is not None:
            reasons.setdefault((row["reason"], row["remedy"] or ""), []).append(row["engine"])
    words = [
        f"No cost of {listed(list(dict.fromkeys(engines)))}: {reason.rstrip('.')}. "
        + (as_sentence(remedy, inputs) if remedy else "")
        for (reason, remedy), engines in reasons.items()
    ]
    basis = inputs.business["basis"]
    if basis["latency_objective"] is None:
        load = f"one request at a time; {basis['latency_objective_reason']}"
    else:
        load = (
            f"all requests in flight together, at each level of load; limits: {slo_words(basis['latency_objective'])}"
        )
    basis_words = f"{basis['token_basis']}; {load}"
    return [*words, as_sentence(basis_words, inputs)]


def _cost_row(inputs: ReportInputs, row: Document) -> list[TableCell]:
    rate, price, usd = row["tokens_per_s"], row["price"], row["usd_per_million_output_tokens"]
    own, told = usd["user_utilisation"], (price["label"], price["as_of"] and f"as of {price['as_of']}", price["note"])
    return [
        engine_cell(inputs, row["engine"]),
        TableCell(inputs.places[row["workload"], row["case"]]),
        TableCell(significant(rate["point"]), value=rate["point"]),
        _range_cell(usd["full_utilisation"]),
        TableCell("not known", usd["user_utilisation_reason"]) if own is None else _range_cell(own),
        TableCell(f"{price['usd_per_hour']['point']:.4g} USD", value=price["usd_per_hour"]["point"]),
        TableCell("; ".join(str(part) for part in told if part)),
    ]


def _range_cell(cost_document: Document) -> TableCell:
    low, high = cost_document["low"], cost_document["high"]
    span = None if low == high else f"{significant(low)} to {significant(high)}"
    return TableCell(significant(cost_document["point"]), span, cost_document["point"])


def estimates(inputs: ReportInputs) -> dict[str, Any] | None:
    """What machines with another GPU might cost: {words, table}; None where the measured one leads to no estimate."""
    costs = [row for row in inputs.business["infrastructure_costs"] if row["estimates"]]
    if not costs:
        return None
    columns = heads("Engine", "GPU", number("Output tokens/s", "estimated"))
    columns += [number("USD per million output tokens", "estimated, at full utilisation"), prose("Price of")]
    rows = [
        [
            engine_cell(inputs, row["engine"]),
            TableCell(one["gpu"]),
            _range_cell(one["tokens_per_s"]),
            _range_cell(one["usd_per_million_output_tokens"]),
            TableCell("; ".join(str(part) for part in (one["label"], f"as of {one['as_of']}", one["note"]) if part)),
        ]
        for row in costs
        for one in row["estimates"]
    ]
    words = list(dict.fromkeys(as_sentence(row["estimates_basis"], inputs) for row in costs))
    return {
        "words": words,
        "table": Table("By the figures published for GPUs, in the catalogue's order", columns, rows),
    }


def break_even(inputs: ReportInputs) -> list[str]:
    """Sentences on what a machine may cost; they need no price. What limits all of them stands once at the end."""
    rows = inputs.business["break_even"]
    told = [(row["sentence"] or f"{row['engine']}: not known, {row['reason']}.").rstrip(".") for row in rows]
    shared = shared_clauses(told)
    of_all = [f"Of all these: {CLAUSES.join(shared)}."] if shared else []
    return [*(f"{without_clauses(words, shared)}." for words in told), *of_all]


def fleet(inputs: ReportInputs) -> dict[str, Any] | None:
    """The cheapest machines for the stated demand: {words, machines}; None where no demand is stated."""
    found = inputs.business["cost_optimization"]
    if not found["demand"].get("pools"):
        return None
    words = (
        [f"{found['reason']}: {found['remedy']}"] if found["fleet"] is None else [f"{_month(found)}; {found['load']}"]
    )
    if found["next_best"] is not None:
        other = ", ".join(f"{one['count']} with {one['engine']}" for one in found["next_best"]["machines"])
        times = significant(found["next_best"]["times_as_dear"])
        words.append(f"the next best, {other}, is {times} times as dear: {found['next_best']['what']}")
    words += [f"ruled out of {one['pool']}: {one['engine']}, {one['reason']}" for one in found["ruled_out"]]
    columns = heads("Engine", "Part of the demand", number("Machines"), number("Requests/s", "each"))
    columns += [number("USD an hour", "each"), prose("Price"), prose("Times from")]
    rows = [
        [
            engine_cell(inputs, one["engine"]),
            TableCell(one["pool"]),
            TableCell(f"{one['count']:,}", value=one["count"]),
            TableCell(significant(one["requests_per_s_each"]), value=one["requests_per_s_each"]),
            TableCell(f"{one['usd_per_hour_each']:.4g}", value=one["usd_per_hour_each"]),
            TableCell(one["price_id"]),
            TableCell(one["basis"]),
        ]
        for one in (found["fleet"]["machines"] if found["fleet"] else ())
    ]
    return {
        "words": [as_sentence(text, inputs) for text in words],
        "machines": Table(found["method"], columns, rows, empty="No machines serve the demand."),
    }


def _month(found: Document) -> str:
    month = found["fleet"]["usd_per_month"]
    point, low, high = (significant(month[key]) for key in ("point", "low", "high"))
    return f"{point} USD a month" + ("" if low == high else f" ({low} to {high})")
