"""The page: documents in, one HTML text out."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

import jinja2
from markupsafe import Markup

from benchmark_runner.namedfile import read_own_text
from benchmark_runner.performance.answer import NOTHING
from benchmark_runner.plots.signs import MARKS
from benchmark_runner.report import campaign, charts, explorer, machines, money, overview, results, sureness
from benchmark_runner.report.below import page_data
from benchmark_runner.report.events import events
from benchmark_runner.report.forest import forest
from benchmark_runner.report.hardware import hardware
from benchmark_runner.report.inputs import TEMPLATE_FOLDER, ReportInputs, wording
from benchmark_runner.report.library import chart_library
from benchmark_runner.report.load import under_load
from benchmark_runner.report.projects import projects
from benchmark_runner.report.results import as_sentence
from benchmark_runner.report.tiers import tiers
from benchmark_runner.statistics.wording import SIGNS_IN_WORDS, VERDICTS
from benchmark_runner.terminal import visible

CONTENTS: Final = (
    ("verdicts", "Verdicts"),
    ("comparison", "Comparison"),
    ("distributions", "Distributions"),
    ("warnings", "What could be wrong"),
    ("cost", "Cost"),
    ("projects", "Projects"),
    ("reproduce", "Reproduce"),
)
CONTENTS_UNDER_LOAD: Final = (("load", "Under load"), *CONTENTS)
CONTENTS_WITHOUT_RESULT: Final = (("without-result", "Why there is no result"), ("reproduce", "Reproduce"))


def _scripts(*, with_charts: bool) -> list[str]:
    """The page's own scripts, the only ones that its policy lets run."""
    names = ("table.js", "filters.js", "matrix.js", "explorer.js", "timeline.js", "charts.js")
    table, *drawing, charts = (read_own_text(TEMPLATE_FOLDER / name) for name in names)
    return [table, *drawing, chart_library(), charts] if with_charts else [table]


def _source(script: str) -> str:
    """The script as a content security policy names it: by its hash."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def render(inputs: ReportInputs) -> str:
    """report.html as text; everything that comes from the campaign is escaped."""
    return page_environment().get_template("report.html.j2").render(context(inputs))


def _shown(value: Any) -> Any:
    """Text from outside without what a browser would hide or turn round; what is HTML already as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def page_environment() -> jinja2.Environment:
    """The templates' environment."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: read_own_text(TEMPLATE_FOLDER / name)),
        autoescape=True,
        finalize=_shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def context(inputs: ReportInputs) -> dict[str, Any]:
    """What the template shows."""
    control_words, control_table = results.control(inputs)
    findings, of_all_findings = results.findings(inputs)
    scripts = _scripts(with_charts=not inputs.iterations.empty)
    return {
        "plan": inputs.plan,
        "statistics": inputs.statistics,
        "environment": inputs.environment,
        "wording": wording(),
        "verdict_words": VERDICTS.values(),
        "signs_in_words": SIGNS_IN_WORDS,
        **_first_screen(inputs),
        "comparison": results.comparison(inputs),
        "verdicts": results.verdict_tables(inputs),
        "page_data": page_data(inputs),
        "load": under_load(inputs),
        **_charts(inputs),
        "marks": MARKS.values(),
        "scripts": scripts,
        "script_sources": " ".join(map(_source, scripts)),
        "fidelity": results.fidelity(inputs),
        "partings": results.partings(inputs),
        "settings": campaign.settings(inputs),
        "control_words": control_words,
        "control": control_table,
        "events": events(inputs),
        **_cost(inputs),
        "projects": projects(inputs),
        "without_result": campaign.without_result(inputs),
        "launches": campaign.launches(inputs),
        "launch_count": len(inputs.records),
        "downloads": campaign.downloads(inputs),
        "not_part": campaign.not_part(inputs),
        "machine": machines.machine_table(inputs),
        "by_machine": machines.times_by_machine(inputs),
        "software": campaign.software(inputs),
        "other_hosts": machines.other_hosts(inputs),
        "reproduction": inputs.reproduction,
        "findings": findings,
        "of_all_findings": of_all_findings,
        "families": [as_sentence(one["description"], inputs) for one in inputs.statistics["families"].values()],
        "look": inputs.statistics["families"]["all_pairs"],
    }


def _cost(inputs: ReportInputs) -> dict[str, Any]:
    """The cost explorer with what it begins from, the fleet for a stated demand, and what needs no price."""
    return {
        "cost": money.cost(inputs),
        "cost_labels": money.cost_labels(inputs),
        "cost_words": money.cost_words(inputs),
        "explorer_groups": explorer.groups(inputs),
        "tiers": tiers(inputs),
        "estimates": money.estimates(inputs),
        "fleet": money.fleet(inputs),
        "hardware": hardware(inputs),
        "break_even": money.break_even(inputs),
        "advice": inputs.business["recommendations"],
    }


def _first_screen(inputs: ReportInputs) -> dict[str, Any]:
    """The answer, its cards and plot, and how sure it is; of a campaign without any measurement the answer alone."""
    answer = inputs.summary["answer"]
    first = {
        "answer": answer,
        "nothing": NOTHING,
        "masthead": overview.masthead(inputs),
        "quick_look": overview.quick_look(inputs),
        "synthetic": overview.synthetic(inputs),
        "joined": overview.joined(inputs),
        "level": inputs.level,
        "contents": CONTENTS_UNDER_LOAD if "capacity" in inputs.statistics else CONTENTS,
    }
    if not answer["measured"]:
        return first | {"contents": CONTENTS_WITHOUT_RESULT}
    return first | {"cards": overview.cards(inputs), "forest": forest(inputs), "grounds": sureness.grounds(inputs)}


def _charts(inputs: ReportInputs) -> dict[str, Any]:
    """The charts' specifications."""
    if inputs.iterations.empty:
        return {"distribution": None, "decode": None, "each_iteration": True, "every": 1}
    distribution, each_iteration = charts.distribution_chart(inputs)
    return {
        "distribution": distribution,
        "decode": charts.decode_chart(inputs),
        "each_iteration": each_iteration,
        "every": charts.launches_a_mark(inputs),
    }
