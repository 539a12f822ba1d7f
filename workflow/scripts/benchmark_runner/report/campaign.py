"""Tables about the campaign itself: engines without a result, settings, launches, other identities, environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from benchmark_runner.display import ABSENT, bytes_text, milliseconds, plural
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.results import engine_cell
from benchmark_runner.report.tables import Table, TableCell, heads, number, prose, text_or_absent
from benchmark_runner.statistics.settings import alike_workloads, shown

DOWNLOADS: Final = (
    ("summary.json", "the answer and its figures"),
    ("comparison_table.md", "the table, to paste"),
    ("analysis/statistical_summary.json", "every estimate, test and verdict"),
    ("analysis/performance_analysis.json", "phases, bottlenecks, ranking"),
    ("analysis/business_recommendations.json", "cost, risk, advice"),
    ("analysis/iterations.parquet", "every iteration as a table"),
    ("analysis/metrics.parquet", "the monitor's samples as a table"),
    ("plan.json", "what was to be measured"),
    ("environment.json", "machine and software, whole"),
    ("reproduction.md", "how to measure it again"),
    ("logs/benchmark.log", "the story of the campaign"),
    ("logs/system_metrics.log", "the monitor's samples, as a log"),
    ("plots/", "the pictures, for documents"),
)
MOST_LAUNCHES: Final = 1_000
"""Rows of a table. Chosen: ten thousand take 4 MB of the page, and nobody reads them."""
DIGEST_DIGITS: Final = 12  # of a SHA-256 shown to people; the file has it whole


def without_result(inputs: ReportInputs) -> Table:
    """Engines that failed in part or altogether, with the reason and what helps."""
    columns = heads("Engine", "Status", "Launches", prose("Why"), prose("What helps"))
    rows = [
        [
            engine_cell(inputs, engine["name"]),
            TableCell(engine["status"], tone="bad"),
            TableCell(", ".join(f"{count} {status}" for status, count in engine["launches"].items()) or "none"),
            text_or_absent(engine["reason"]),
            text_or_absent(engine["remedy"]),
        ]
        for engine in inputs.engines
        if engine["status"] != "ok"
    ]
    for engine in inputs.engines:
        refused = engine.get("refused_loads", {}).items()
        rows += [_not_started(inputs, engine["name"], workload, reason) for workload, reason in refused]
        rows += [
            [
                engine_cell(inputs, engine["name"]),
                TableCell(f"without {case} of {workload}", tone="open"),
                TableCell("not asked"),
                TableCell(reason),
                text_or_absent(None),
            ]
            for workload, cases in engine.get("not_asked", {}).items()
            for case, reason in cases.items()
        ]
    return Table("What each lacks, and what helps", columns, rows, empty="Every launch of every engine ended well.")


def _not_started(inputs: ReportInputs, engine: str, workload: str, reason: str) -> list[TableCell]:
    """Row of a load that an engine refuses by name, of which no launch was started."""
    status = TableCell(f"without {workload}", tone="open")
    of_it = (one for one in inputs.records if (one["engine"], one["workload"]) == (engine, workload))
    helps = text_or_absent(next(of_it, {}).get("remedy"))
    return [engine_cell(inputs, engine), status, TableCell("none started"), TableCell(reason), helps]


def settings(inputs: ReportInputs) -> list[Table]:
    """A table for all workloads in which the settings are the same: a row a setting, a column an engine."""
    by_workload = inputs.statistics["engine_settings"]
    return [_settings(workloads, alike) for workloads, alike in alike_workloads(by_workload)]


def _settings(workloads: Sequence[str], alike: Sequence[Document]) -> Table:
    engines = list(alike[0]["values"])
    rows = [
        [
            TableCell(entry["label"], entry["source"]),
            _likeness(entry),
            *(TableCell(shown(entry["values"][engine])) for engine in engines),
        ]
        for entry in alike
    ]
    return Table(f"Settings in {', '.join(workloads)}", heads("Setting", "Alike", *engines), rows)


def _likeness(entry: Document) -> TableCell:
    """Whether engines differ; where one does not tell its value, no more is said than that of the others."""
    values = entry["values"].values()
    if entry["differs"]:
        return TableCell("differs", tone="perhaps")
    if None in values:
        return TableCell("not known of all", tone="open")
    return TableCell("same", tone="sure") if len(set(values)) == 1 else TableCell("counted above", tone="open")


def launches(inputs: ReportInputs) -> Table:
    """Every launch in the order in which they ran; of more than MOST_LAUNCHES the first of those with something to say
    about."""
    shown, caption = inputs.records, "All launches of this campaign"
    if len(shown) > MOST_LAUNCHES:
        shown = [record for record in shown if record["status"] != "ok" or any(_remarks(record))]
        caption = f"{plural(len(shown), 'launch')} with a remark or another end than ok"
        if len(shown) > MOST_LAUNCHES:
            caption = f"The first {MOST_LAUNCHES} of {caption}"
        caption = f"{caption}; logs/benchmark.log tells of all {len(inputs.records)}"
    columns = heads(number("No."), "Engine", "Workload", number("Block"))
    columns += heads("Status", "Started (UTC)", number("Took"), prose("Remarks"))
    rows = [
        [
            TableCell(str(record["position"]), value=float(record["position"])),
            engine_cell(inputs, record["engine"]),
            TableCell(record["workload"]),
            TableCell(str(record["block"]), value=float(record["block"])),
            TableCell(record["status"], tone="sure" if record["status"] == "ok" else "bad"),
            TableCell(str(record["started_at"])[:19].replace("T", " ")),
            TableCell(milliseconds(record["timing"]["total_ms"]), value=record["timing"]["total_ms"]),
            TableCell("; ".join(_remarks(record)) or ABSENT),
        ]
        for record in shown[:MOST_LAUNCHES]
    ]
    return Table(caption, columns, rows, sortable=True, empty=caption if inputs.records else "No launch has ended yet.")


def _remarks(record: Document) -> Iterator[str]:
    if record["reason"]:
        yield str(record["reason"])
    yield from (f"{warning['kind'].replace('_', ' ')}: {warning['message']}" for warning in record["warnings"])


def not_part(inputs: ReportInputs) -> Table:
    """Launches in the results folder that belong to another configuration; they are in none of the figures."""
    columns = heads("Engine", "Workload", "Identity", number("Launches"))
    rows = [
        [
            engine_cell(inputs, document["engine"]),
            TableCell(other["workload"]),
            TableCell(other["identity"]),
            TableCell(str(other["launches"]), value=float(other["launches"])),
        ]
        for document in inputs.raw
        for other in document.get("not_part_of_campaign", ())
    ]
    empty = "The results folder holds no launches of other configurations."
    return Table("Launches of other configurations in this results folder", columns, rows, empty=empty)


def downloads(inputs: ReportInputs) -> list[tuple[str, str]]:
    """(path from the page, what it holds) of the results folder's files."""
    engines = [document["engine"] for document in inputs.raw]
    return [
        *DOWNLOADS,
        *((f"raw_data/{engine}.json", "every launch with every token time") for engine in engines),
        *((f"fidelity/{engine}.json", "its fidelity check") for engine in engines),
    ]


def software(inputs: ReportInputs) -> Table:
    """Engines' builds, the workflow's commit, Python, the model."""
    document = inputs.environment
    workflow = document["workflow"]
    unlike = [package["name"] for package in workflow["packages"] if not package["as_locked"]]
    as_locked = f"; not as locked: {', '.join(unlike)}" if unlike else ", all as locked"
    here = [
        ("Workflow", _commit(workflow)),
        ("Python", f"{document['python']['implementation']} {document['python']['version']}"),
        ("Packages", f"{plural(len(workflow['packages']), 'package')} of the lock{as_locked}"),
        ("Model", _model(document["model"])),
        *((f"Engine {engine['engine']}", _build(engine)) for engine in document["engines"]),
        *((f"Variable {name}", value) for name, value in document["environment_variables"].items()),
    ]
    rows = [[TableCell(what), TableCell(words)] for what, words in here]
    return Table("The software", heads("What", prose("Here")), rows)


def _commit(workflow: Document) -> str:
    git = workflow["git"]
    if git is None:
        return f"commit not known: {workflow['git_reason']}"
    changed = f", with {plural(len(git['changed_files']), 'changed file')}" if git["dirty"] else ", unchanged"
    return f"commit {git['commit']}{changed}"


def _model(manifest: Document) -> str:
    files = ", ".join(f"{name} sha256 {file['sha256'][:DIGEST_DIGITS]}" for name, file in manifest["files"].items())
    return (
        f"{manifest['name']}, {_origin(manifest['source'])}, identity {manifest['identity']}, "
        f"weights {bytes_text(manifest['weights_bytes'])}; {files}"
    )


def _origin(source: Document) -> str:
    """Where a model comes from, by the kind of its source."""
    if source["kind"] == "synthetic":
        return f"synthetic: random weights in the shape of {source['shape']}"
    if source["kind"] == "hugging_face":
        return f"{source['id']} of the Hugging Face hub at {source['revision']}"
    return "made from a package" if source["kind"] == "embedded" else "a folder of the user's"


def _build(engine: Document) -> str:
    build = engine["build"]
    if build is None:
        return str(engine["build_reason"])
    if build["status"] != "built":
        return f"{build['status']}: {build['reason']}"
    made = build["compiler"] or f"Python {build['python']}"
    flags = f", flags {build['flags']}" if build["flags"] else ""
    packages = ", ".join(f"{name} {version}" for name, version in build["packages"].items())
    return f"{made}{flags}; lock {build['lock_sha256'][:DIGEST_DIGITS]}; {packages}"
