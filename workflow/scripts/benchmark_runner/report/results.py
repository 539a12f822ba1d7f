"""Tables of results: the comparison, verdicts pair by pair, the control, fidelity, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmark_runner.checked import FAIL
from benchmark_runner.display import ABSENT, STRUCK, TIMES, estimate_parts, number_pair, percent, plural, significant
from benchmark_runner.performance.ranking import LATENCY as PRIMARY_METRIC
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.tables import Table, TableCell, heads, number, prose, text_or_absent
from benchmark_runner.statistics.metrics import BY_NAME
from benchmark_runner.statistics.results import Cell
from benchmark_runner.statistics.sentences import CLAUSES, shared_clauses, without_clauses
from benchmark_runner.statistics.wording import VERDICTS

PROMPT_CHARACTERS: Final = 80  # of a prompt that is shown; the file has it whole
TABLE_METRICS: Final = tuple(BY_NAME[name] for name in ("e2e_ms", "ttft_ms", "tpot_ms"))
WHERE_KNOWN: Final = {"peak_vram_bytes": number("GPU", "memory, peak"), "energy_joules_per_token": number("Energy")}
"""Metrics of a launch that the table has where a machine shows them, and their columns."""
SEVERITY_TONES: Final = {"serious": "bad", "warning": "perhaps", "note": "open"}
SECOND_TESTS: Final = {"mann_whitney_u": "Mann-Whitney", "permutation": "permutation"}
ALTERNATIVES: Final = {
    "without_outliers": "without outliers",
    "without_events": "without disturbed launches",
    "moderated_t": "by the moderated t test, which learns the spread from all pairs",
    "mann_whitney_u": "with Mann-Whitney beside the t test",
    "permutation": "with a permutation test beside the t test",
    "paired_t": "by the t test of blocks alone",
    "welch_t": "by Welch's t test alone",
}
FIDELITY_TONES: Final = {"pass": "sure", "equal": "sure", "rounding": "sure", "fail": "bad"}
CONTROL_CELLS: Final = {
    None: TableCell("not testable", tone="open"),
    True: TableCell("yes: all verdicts allow for it", tone="bad"),
    False: TableCell("no, as it should be", tone="sure"),
}


def engine_cell(inputs: ReportInputs, name: str) -> TableCell:
    """Name of an engine with its sign."""
    return TableCell(name, sign=inputs.signs.get(name))


def comparison(inputs: ReportInputs) -> Table:
    """One row an engine and test case; every column can be sorted."""
    columns = heads("Engine", "Workload", *(number(metric.short) for metric in TABLE_METRICS), number("Throughput"))
    columns += heads(number("Ratio", "to the baseline"), "Verdict", number("Memory", "peak"))
    known = [metric for metric in WHERE_KNOWN if _is_known(inputs, metric)]
    columns += heads(*(WHERE_KNOWN[metric] for metric in known), "Fidelity")
    columns += [number("Spread", "CV"), number("Load"), number("Launches")]
    shown = [
        (engine, workload, case["name"])
        for workload in inputs.plan["workloads"]
        for case in workload["cases"]
        for engine in inputs.engines
    ]
    rows = [_comparison_row(inputs, *one, known) for one in shown]
    chosen_by = [(engine["name"], inputs.places[workload["name"], case]) for engine, workload, case in shown]
    # Flagged iterations are left out of the figures alone; verdicts always come from all of them.
    without = " without flagged outliers" if inputs.statistics["settings"]["remove_outliers"] else ""
    caption = (
        f"Typical values over launches{without}; the softer line is the {inputs.level} interval. The baseline "
        f"is {inputs.plan['campaign']['baseline']}; the ratio is in end-to-end latency. Press a heading to sort."
    )
    empty = "No engine is part of this campaign."
    return Table(caption, columns, rows, sortable=True, empty=empty, chosen_by=chosen_by)


def _is_known(inputs: ReportInputs, metric: str) -> bool:
    """Whether any launch has a value of a metric of whole launches."""
    return any(cell["metrics"][metric]["mean"] is not None for cell in inputs.statistics["cells"] if not cell["case"])


def _comparison_row(
    inputs: ReportInputs, engine: Document, workload: Document, case: str, known: Sequence[str]
) -> list[TableCell]:
    name, baseline = engine["name"], inputs.plan["campaign"]["baseline"]
    place, whole_launch = Cell(workload["name"], case), Cell(workload["name"], None)
    reference = engine["control_of"] or baseline
    against = _compared(inputs, name, reference, place)
    to_twin = None if reference == baseline else f"to {reference}"
    numbers = inputs.results.metric(name, place, PRIMARY_METRIC)
    spread = numbers["cv_between"]
    return [
        TableCell(name, _standing(engine), sign=inputs.signs[name]),
        TableCell(inputs.places[workload["name"], case]),
        *(_estimate_cell(inputs, name, place, metric.name) for metric in TABLE_METRICS),
        _estimate_cell(inputs, name, place, inputs.results.throughput(place)),
        TableCell(f"1{TIMES}", "the baseline", 1.0)
        if name == baseline and inputs.results.point(name, place, PRIMARY_METRIC) is not None
        else _ratio_cell(against and against["ratio"], to_twin),
        TableCell(ABSENT) if against is None else verdict_cell(against, against["footnote"]),
        *(_estimate_cell(inputs, name, whole_launch, metric) for metric in ("peak_rss_bytes", *known)),
        _fidelity_cell(engine["fidelity"]["result"]),
        TableCell(ABSENT if spread is None else f"{percent(spread, 1)}", value=spread),
        _estimate_cell(inputs, name, whole_launch, "load_ms"),
        TableCell(str(numbers["launches"]), value=float(numbers["launches"])),
    ]


def _standing(engine: Document) -> str | None:
    """What keeps an engine from being ranked; None where nothing does."""
    if engine["fidelity"]["result"] == FAIL:
        return STRUCK
    return None if engine["status"] == "ok" else str(engine["status"])


def _estimate_cell(inputs: ReportInputs, engine: str, place: Cell, metric: str) -> TableCell:
    """The typical value and its interval below, as in summary.json; sorted by the value."""
    numbers, estimate = inputs.results.metric(engine, place, metric), inputs.results.estimate(engine, place, metric)
    if estimate is None:
        return TableCell(ABSENT)
    text, span = estimate_parts(estimate, numbers["unit"])
    return TableCell(text, numbers["reason"] if estimate["low"] is None else span, estimate["point"])


def _ratio_cell(ratio: Document | None, to: str | None = None) -> TableCell:
    if ratio is None:
        return TableCell(ABSENT)
    span = None if ratio["low"] is None else " to ".join(number_pair(ratio["low"], ratio["high"]))
    below = ", ".join(part for part in (to, span) if part) or None
    return TableCell(f"{significant(ratio['point'])}{TIMES}", below, ratio["point"])


def _compared(inputs: ReportInputs, engine: str, reference: str, place: Cell) -> Document | None:
    """The comparison of two engines on the primary metric."""
    wanted = (place.workload, place.case, PRIMARY_METRIC, engine, reference)
    keys = ("workload", "case", "metric", "engine", "reference")
    return next((one for one in inputs.statistics["comparisons"] if tuple(one[key] for key in keys) == wanted), None)


def verdict_cell(one: Document, below: str | None = None) -> TableCell:
    """The verdict's words from the first engine's side: slower where the reference is the faster one."""
    words = one["verdict"].replace("_", " ")
    if one["faster"] is not None and one["faster"] == one["reference"]:
        slower = words.replace("faster", "slower")
        words = slower if slower != words else f"{words}: slower"
    return TableCell(words, below, tone=VERDICTS[one["verdict"]].tone)


def _fidelity_cell(result: str) -> TableCell:
    return TableCell(result, tone=FIDELITY_TONES.get(result, "open"))


def findings(inputs: ReportInputs) -> tuple[list[str], str]:
    """(what else than the answer's latency the headline's cells tell against the baseline, each with its workload; what
    all of these have in common, once)."""
    found = [
        one
        for one in inputs.performance["findings"]
        if one["verdict"] != "untestable"
        and one["reference"] == inputs.plan["campaign"]["baseline"]
        and one["metric"] != PRIMARY_METRIC
    ]
    told = [f"{one['workload']}: {one['sentence']}" for one in found]
    shared = shared_clauses(told)
    of_all = f"Of all these: {CLAUSES.join(shared)}." if shared else ""
    return [f"{without_clauses(words, shared)}." for words in told], of_all


def verdict_tables(inputs: ReportInputs) -> list[Table]:
    """A table of the primary comparisons for each workload's case; the pair matrix has the other metrics."""
    primary: dict[tuple[str, str], list[Document]] = {}
    for found in inputs.statistics["comparisons"]:
        if found["kind"] == "primary":
            primary.setdefault((found["workload"], found["case"]), []).append(found)
    return [_verdicts(inputs, f"{inputs.places[place]}: end-to-end latency", rows) for place, rows in primary.items()]


def _verdicts(inputs: ReportInputs, caption: str, found: list[Document]) -> Table:
    columns = heads("Pair", "Verdict", number("Ratio", "times as good"), prose("In words"))
    columns += [prose("What would change it")]
    columns += [number("Corrected p", "t test by Holm; the exact test beside it by Bonferroni")]
    second = inputs.statistics["settings"]["significance_test"]
    told, changes = [one["sentence"] for one in found], [what_would_change(one) for one in found]
    shared, shared_changes = shared_clauses(told), shared_clauses(changes)
    rows = [
        [
            TableCell(f"{one['engine']} against {one['reference']}"),
            verdict_cell(one, _marks(one)),
            _ratio_cell(one["ratio"]),
            TableCell(as_sentence(without_clauses(one["sentence"], shared), inputs), one["footnote"]),
            TableCell(without_clauses(change, shared_changes) or ABSENT),
            _p_cell(one["tests"], second),
        ]
        for one, change in zip(found, changes, strict=True)
    ]
    of_all = [f"Of all pairs: {CLAUSES.join(shared)}"] if shared else []
    of_all += [f"What would change all: {CLAUSES.join(shared_changes)}"] if shared_changes else []
    return Table(". ".join([caption, *of_all]), columns, rows, empty="There is no pair to compare.")


def what_would_change(one: Document) -> str:
    """Other analyses of the same pair that end in another verdict, each with it."""
    sensitivity = one["sensitivity"]
    answers = {**sensitivity["other_tests"], **sensitivity}
    found = [f"{ALTERNATIVES[name]}: {_verdict_words(answers[name])}" for name in sensitivity["changed_by"]]
    alone = one["against_baseline"]
    if alone is not None and (alone["verdict"], alone["faster"]) != (one["verdict"], one["faster"]):
        found.append(f"asking about the baseline alone: {_verdict_words(alone)}")
    return CLAUSES.join(found) or "nothing that was tried"


def _verdict_words(answer: Document) -> str:
    words = VERDICTS[answer["verdict"]].label
    return f"{words} ({answer['faster']})" if answer["faster"] else words


def as_sentence(text: str, inputs: ReportInputs) -> str:
    """Words of the statistics with a capital letter and a full stop; the name of an engine or workload keeps its small
    letter."""
    first = text.partition(" ")[0].rstrip(",:;.")
    if first not in inputs.signs and all(first != workload["name"] for workload in inputs.plan["workloads"]):
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _marks(one: Document) -> str | None:
    """Qualifiers in words; the differing settings are named by the footnote beside the verdict's sentence."""
    return ", ".join(mark.replace("_", " ") for mark in one["qualifiers"] if mark != "settings_differ") or None


def _p_cell(tests: Document, second: str) -> TableCell:
    first = next((test["p_holm"] for test in tests.values() if test.get("p_holm") is not None), None)
    beside = tests[second]["p_bonferroni"] if second in SECOND_TESTS and second in tests else None
    return TableCell(_p(first), None if beside is None else f"{_p(beside)} {SECOND_TESTS[second]}", first)


def _p(value: float | None) -> str:
    if value is None:
        return ABSENT
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def control(inputs: ReportInputs) -> tuple[str, Table | None]:
    """(what the control is and found, its table); without one the words say what that means."""
    found = inputs.statistics["control"]
    if found is None:
        words = "No control ran in this campaign, so nothing shows how large a difference this machine makes by itself."
        return words, None
    rows = [
        [
            TableCell(inputs.places[cell["workload"], cell["case"]]),
            CONTROL_CELLS[cell["differs"]],
            _ratio_cell(cell["ratio"]),
            TableCell(as_sentence(cell["sentence"], inputs)),
        ]
        for cell in found["cells"]
    ]
    columns = heads("Where", "Told from its twin", number("Ratio"), prose("In words"))
    words = (
        f"{found['engine']} is the same program as {found['twin']}, launched a second time in every block. "
        "Any difference between the two is the machine's doing."
    )
    return words, Table("The control against its twin, end-to-end latency", columns, rows)


def fidelity(inputs: ReportInputs) -> Table:
    """Whether each engine computes the same model."""
    columns = heads("Engine", "Result", "Compared with", number("Tokens checked"), "First difference")
    columns += heads(number("Logits apart", "largest, mean"), number("KL", "mean, nats"), "Draws")
    loaded = any("at_once" in found for found in inputs.fidelity)
    columns += heads("Kept between requests", *(["Requests at once"] if loaded else []), "Computes in", prose("Detail"))
    rows = []
    for found in inputs.fidelity:
        checked = found.get("tokens_checked")
        computes_in = " on ".join(str(part) for part in (found.get("dtype"), found.get("device")) if part)
        rows.append(
            [
                engine_cell(inputs, found["engine"]),
                _fidelity_cell(found["result"]),
                text_or_absent(found.get("reference")),
                TableCell(ABSENT if checked is None else f"{checked:,}", value=checked),
                TableCell(_first_difference(found)),
                *_logits_cells(found),
                _finding_cell(found.get("sampling")),
                _finding_cell(found.get("reuse")),
                *([_finding_cell(found.get("at_once"))] if loaded else []),
                TableCell(computes_in or ABSENT),
                text_or_absent(found.get("reason")),
            ]
        )
    return Table("Greedy tokens against the reference's", columns, rows, empty="No fidelity check has run.")


def partings(inputs: ReportInputs) -> Table:
    """Prompts after which an engine's tokens part from the reference's, with the first token that does."""
    columns = heads("Engine", prose("Prompt"), number("Agreed"), number("First apart", "token"))
    columns += [number("The reference's margin", "there, between its two best tokens")]
    rows = [
        [
            engine_cell(inputs, found["engine"]),
            TableCell(repr(prompt["prompt"][:PROMPT_CHARACTERS])),
            TableCell(f"{prompt['agreed']} of {prompt['of']}", value=prompt["agreed"]),
            TableCell(f"{prompt['first_divergence'] + 1}", value=prompt["first_divergence"] + 1),
            TableCell(ABSENT if (margin := prompt["reference_margin"]) is None else f"{margin:.4g}", value=margin),
        ]
        for found in inputs.fidelity
        for prompt in found["prompts"]
        if prompt["first_divergence"] is not None
    ]
    return Table("Where tokens part first", columns, rows, empty="No engine's tokens part from the reference's.")


def _logits_cells(found: Document) -> list[TableCell]:
    """How far the logits lie apart; of a file that an older version wrote nothing is known."""
    apart = found.get("logits")
    if apart is None:
        return [TableCell(ABSENT, found.get("no_logits")), TableCell(ABSENT)]
    largest = TableCell(f"{apart['max_abs']:.2g}", f"{apart['mean_abs']:.2g} on average", apart["max_abs"])
    return [largest, TableCell(f"{apart['kl_mean']:.2g}", value=apart["kl_mean"])]


def _finding_cell(finding: Document | None) -> TableCell:
    """A finding's result with its sentence beneath."""
    if finding is None:
        return TableCell(ABSENT)
    return TableCell(finding["result"], finding["reason"], tone=FIDELITY_TONES.get(finding["result"], "open"))


def _first_difference(found: Document) -> str:
    apart = [prompt for prompt in found["prompts"] if prompt["first_divergence"] is not None]
    if not found["prompts"]:
        return ABSENT
    if not apart:
        return f"none in {plural(len(found['prompts']), 'prompt')}"
    first = min(prompt["first_divergence"] for prompt in apart)
    return f"at token {first}, in {len(apart)} of {plural(len(found['prompts']), 'prompt')}"
