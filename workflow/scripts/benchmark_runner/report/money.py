"""Tables of cost and risk: what is known, and what is not with the reason."""

from __future__ import annotations

from benchmark_runner.display import ABSENT, significant
from benchmark_runner.report.inputs import Document, Inputs
from benchmark_runner.report.results import as_sentence, engine_cell
from benchmark_runner.report.tables import Cell, Column, Table, text_or_absent


def cost(inputs: Inputs) -> Table:
    """Dollars per million output tokens; without any price the rates alone, since cost_words says why."""
    priced = any(row["price"] is not None for row in inputs.business["costs"])
    columns = [Column("Engine"), Column("Where"), Column("Output tokens/s", number=True)]
    columns += [Column("USD per million output tokens", number=True, hint="at full utilisation")]
    if priced:
        columns += [Column("At your utilisation", number=True), Column("Price an hour", number=True)]
        columns.append(Column("Price of", prose=True))
    rows = [_cost_row(inputs, row, len(columns)) for row in inputs.business["costs"]]
    return Table(inputs.business["basis"]["formula"], columns, rows, empty="No engine was measured.")


def cost_words(inputs: Inputs) -> list[str]:
    """Why a cost is not known and what would make it known, each once; and on what the figures rest."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in inputs.business["costs"]:
        if row["reason"] is not None:
            reasons.setdefault((row["reason"], row["remedy"] or ""), []).append(row["engine"])
    words = [
        f"Not known for {', '.join(dict.fromkeys(engines))}: {as_sentence(reason, inputs)} "
        + (as_sentence(remedy, inputs) if remedy else "")
        for (reason, remedy), engines in reasons.items()
    ]
    basis = inputs.business["basis"]
    return [*words, as_sentence(f"{basis['token_basis']}; {basis['latency_objective_reason']}", inputs)]


def _cost_row(inputs: Inputs, row: Document, width: int) -> list[Cell]:
    rate, price, usd = row["tokens_per_s"], row["price"], row["usd_per_million_output_tokens"]
    where = ABSENT if row["workload"] is None else f"{row['workload']}, {row['case']}"
    rate_cell = Cell(ABSENT) if rate is None else Cell(significant(rate["point"]), value=rate["point"])
    cells = [engine_cell(inputs, row["engine"]), Cell(where), rate_cell]
    if price is None or usd is None:
        return [*cells, *[Cell("not known")] * (width - len(cells))]
    own, told = usd["user_utilisation"], (price["label"], price["as_of"] and f"as of {price['as_of']}", price["note"])
    return [
        *cells,
        _usd_cell(usd["full_utilisation"]),
        Cell("not known", usd["user_utilisation_reason"]) if own is None else _usd_cell(own),
        Cell(f"{price['usd_per_hour']['point']:.4g} USD", value=price["usd_per_hour"]["point"]),
        Cell("; ".join(str(part) for part in told if part)),
    ]


def _usd_cell(cost_document: Document) -> Cell:
    low, high = significant(cost_document["low"]), significant(cost_document["high"])
    return Cell(significant(cost_document["point"]), f"{low} to {high}", cost_document["point"])


def break_even(inputs: Inputs) -> list[str]:
    """Sentences on what a machine may cost; they need no price."""
    return [row["sentence"] or f"{row['engine']}: not known, {row['reason']}." for row in inputs.business["break_even"]]


def risk(inputs: Inputs) -> list[Table]:
    """Dated facts about each engine's project."""
    columns = [Column("Fact"), Column("What is known", prose=True), Column("As of"), Column("Source", prose=True)]
    tables = []
    for engine in inputs.business["risk"]:
        rows = [
            [
                Cell(name.replace("_", " ")),
                Cell(fact.get("reason", "unknown") if fact["value"] is None else str(fact["value"])),
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
