"""Tables of cost and risk: what is known, and what is not with the reason."""

from __future__ import annotations

from benchmark_runner.display import significant
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.results import as_sentence, engine_cell
from benchmark_runner.report.tables import Table, TableCell, heads, number, prose, text_or_absent


def cost(inputs: ReportInputs) -> Table:
    """Dollars per million output tokens where a price is known; cost_words says why it is not known elsewhere."""
    columns = heads("Engine", "Where", number("Output tokens/s"))
    columns += [number("USD per million output tokens", "at full utilisation")]
    columns += [number("At your utilisation"), number("Price an hour"), prose("Price of")]
    rows = [_cost_row(inputs, row) for row in inputs.business["costs"] if row["price"] is not None]
    return Table(inputs.business["basis"]["formula"], columns, rows, empty="No cost in dollars is known.")


def cost_words(inputs: ReportInputs) -> list[str]:
    """Why a cost is not known and what would make it known, each once; and on what the figures rest."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in inputs.business["costs"]:
        if row["reason"] is not None:
            reasons.setdefault((row["reason"], row["remedy"] or ""), []).append(row["engine"])
    words = [
        f"No cost of {', '.join(dict.fromkeys(engines))}: {as_sentence(reason, inputs)} "
        + (as_sentence(remedy, inputs) if remedy else "")
        for (reason, remedy), engines in reasons.items()
    ]
    basis = inputs.business["basis"]
    basis_words = f"{basis['token_basis']}; one request at a time; {basis['latency_objective_reason']}"
    return [*words, as_sentence(basis_words, inputs)]


def _cost_row(inputs: ReportInputs, row: Document) -> list[TableCell]:
    rate, price, usd = row["tokens_per_s"], row["price"], row["usd_per_million_output_tokens"]
    own, told = usd["user_utilisation"], (price["label"], price["as_of"] and f"as of {price['as_of']}", price["note"])
    return [
        engine_cell(inputs, row["engine"]),
        TableCell(f"{row['workload']}, {row['case']}"),
        TableCell(significant(rate["point"]), value=rate["point"]),
        _usd_cell(usd["full_utilisation"]),
        TableCell("not known", usd["user_utilisation_reason"]) if own is None else _usd_cell(own),
        TableCell(f"{price['usd_per_hour']['point']:.4g} USD", value=price["usd_per_hour"]["point"]),
        TableCell("; ".join(str(part) for part in told if part)),
    ]


def _usd_cell(cost_document: Document) -> TableCell:
    low, high = cost_document["low"], cost_document["high"]
    span = None if low == high else f"{significant(low)} to {significant(high)}"
    return TableCell(significant(cost_document["point"]), span, cost_document["point"])


def break_even(inputs: ReportInputs) -> list[str]:
    """Sentences on what a machine may cost; they need no price."""
    return [row["sentence"] or f"{row['engine']}: not known, {row['reason']}." for row in inputs.business["break_even"]]


def risk(inputs: ReportInputs) -> list[Table]:
    """Dated facts about each engine's project."""
    columns = heads("Fact", prose("What is known"), "As of", prose("Source"))
    tables = []
    for engine in inputs.business["risk_assessment"]:
        rows = [
            [
                TableCell(name.replace("_", " ")),
                TableCell(fact.get("reason", "unknown") if fact["value"] is None else str(fact["value"]), fact["note"]),
                text_or_absent(fact["as_of"]),
                text_or_absent(fact["source"]),
            ]
            for name, fact in engine["facts"].items()
        ]
        measured = engine["measured_version"]
        caption = f"{engine['engine']}: {engine['project'] or 'a project that the facts do not know'}"
        caption += f", measured in version {measured}" if measured else ", not measured"
        tables.append(Table(caption, columns, rows))
    return tables
