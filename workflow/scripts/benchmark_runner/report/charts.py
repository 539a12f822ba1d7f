"""The interactive charts: Vega-Lite specifications whose data lie in the page, drawn without a network.

The page's filters set their parameters where, metric and without.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final

import altair as alt
import pandas as pd

from benchmark_runner.display import BYTES_PER_MB
from benchmark_runner.plots.scales import LOG_FROM_RATIO
from benchmark_runner.plots.signs import span
from benchmark_runner.report.figures import in_unit
from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.statistics.metrics import BY_NAME, PRIMARY
from benchmark_runner.statistics.results import Cell

CHART_COLUMNS: Final = (
    "engine",
    "workload",
    "case",
    "block",
    "warmup",
    "index",
    "outlier",
    "e2e_ms",
    "ttft_ms",
    "tpot_ms",
    "total_tokens_per_s",
    "prompt_tokens",
)
ITERATION_METRICS: Final = ("e2e_ms", "ttft_ms", "tpot_ms", "total_tokens_per_s")
"""Metrics of which each iteration is drawn; of all others the value of each launch."""
# A page with more marks takes seconds to draw; the launches' medians stand in for them then, and the page says so.
MOST_ITERATIONS: Final = 3_000
MOST_LAUNCHES: Final = 1_250
"""Chosen: with marks for more launches in each metric the page grows beyond 5 MB."""
BYTES_UNIT: Final = (1 / BYTES_PER_MB, "MB")
ENGINE_HEIGHT_PIXELS: Final = 64
LINES_HEIGHT_PIXELS: Final = 300
LEAST_CHANGE: Final = 0.005
RANGE_KEYS: Final = ("point", "low", "high")
RANGE: Final = tuple(alt.Tooltip(f"{name}:Q", format=",.4~r") for name in RANGE_KEYS)
VALUE: Final = alt.Tooltip("value:Q", format=",.4~r")
INK: Final = "currentColor"  # the page's text colour, light or dark
CONFIG: Final[dict[str, Any]] = {
    "font": "system-ui, sans-serif",
    "aria": False,  # a label for each of thousands of marks; the tables have the figures
    "autosize": {"type": "fit-x", "contains": "padding"},
    "view": {"stroke": None},
    "title": {"color": INK, "anchor": "start", "fontSize": 14},
    "legend": {"labelColor": INK, "labelFontSize": 12},
    "axis": {
        "labelColor": INK,
        "labelFontSize": 12,
        "titleColor": INK,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "tickColor": INK,
        "domainColor": INK,
        "domainOpacity": 0.4,
        "gridColor": INK,
        "gridOpacity": 0.14,
    },
}


def distribution_chart(inputs: ReportInputs) -> tuple[dict[str, Any], bool]:
    """(specification, whether each mark is an iteration rather than a launch's median)."""
    each_iteration = len(inputs.iterations) <= MOST_ITERATIONS
    iterations = _iterations(inputs) if each_iteration else None
    values = _launch_values(inputs, without=ITERATION_METRICS if each_iteration else ())
    order = [engine["name"] for engine in inputs.engines]
    far_apart = _largest_ratio(values, iterations) > LOG_FROM_RATIO
    scale = alt.Scale(type="log", nice=False, padding=12) if far_apart else alt.Scale(zero=False)
    x = alt.X("value:Q", scale=scale, title=None, axis=alt.Axis(format=",.4~r", tickCount=6))
    y = alt.Y("engine:N", sort=order, title=None, axis=alt.Axis(labelLimit=220, ticks=False, domain=False))
    colour = alt.Color("engine:N", scale=_colours(inputs, order), legend=None)
    marks = {"filled": True, "size": 34, "opacity": 0.75}
    offset = alt.YOffset("launch:O")
    by_launch = _chosen(values).transform_filter("datum.metric === metric").mark_point(**marks)
    layers = [by_launch.encode(x=x, y=y, yOffset=offset, color=colour, tooltip=["engine:N", "launch:O", VALUE])]
    if iterations is not None:
        one = _chosen(iterations).transform_calculate(value="datum[metric]").transform_filter("isValid(datum.value)")
        shape = alt.Shape("outlier:N", scale=alt.Scale(domain=["no", "yes"], range=["circle", "cross"]), legend=None)
        told = ["engine:N", "launch:O", "iteration:O", VALUE, "outlier:N"]
        layers.append(one.mark_point(**marks).encode(x=x, y=y, yOffset=offset, color=colour, shape=shape, tooltip=told))
    estimates = _chosen(_estimates(inputs)).transform_filter("datum.metric === metric")
    layers.append(estimates.mark_rule(color=INK, strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", y=y))
    diamond = estimates.mark_point(shape="diamond", size=110, filled=True, stroke=INK, strokeWidth=1, opacity=1)
    layers.append(diamond.encode(x=alt.X("point:Q"), y=y, color=colour, tooltip=["engine:N", *RANGE]))
    labels = {name: _unit(name)[1] for name in inputs.statistics["metrics"]}
    title = _titled(f"{json.dumps(_spans(inputs))}[metric]", f"{json.dumps(labels)}[metric]")
    chart = alt.layer(*layers).add_params(*_params(inputs), alt.param(name="metric", value=PRIMARY))
    return _finished(chart, title, ENGINE_HEIGHT_PIXELS * len(order)), each_iteration


def _unit(metric: str) -> tuple[float, str]:
    """(factor to the drawn unit, label with it)."""
    factor, unit = BYTES_UNIT if BY_NAME[metric].unit == "bytes" else (1.0, BY_NAME[metric].unit)
    return factor, f"{BY_NAME[metric].title}, {unit}"


def _iterations(inputs: ReportInputs) -> pd.DataFrame:
    """A row an iteration with a column a metric."""
    table = inputs.iterations.rename(columns={"block": "launch", "index": "iteration"})
    where = [inputs.places[place] for place in zip(table["workload"], table["case"], strict=True)]
    table = table.assign(where=where, outlier=table["outlier"].map({True: "yes", False: "no"}))
    return table[["engine", "where", "launch", "iteration", "outlier", *ITERATION_METRICS]]


def _cells(inputs: ReportInputs) -> Iterator[tuple[str, Document]]:
    """(place that the filters name, cell of the statistics); a cell of whole launches comes for each case."""
    for workload in inputs.plan["workloads"]:
        for case in workload["cases"]:
            for cell in inputs.statistics["cells"]:
                if cell["workload"] == workload["name"] and cell["case"] in (None, case["name"]):
                    yield inputs.places[workload["name"], case["name"]], cell


def launches_a_mark(inputs: ReportInputs) -> int:
    """Of how many launches of an engine one is drawn."""
    return -(-len(inputs.records) // MOST_LAUNCHES) or 1


def _launch_values(inputs: ReportInputs, *, without: Sequence[str]) -> pd.DataFrame:
    """A row a drawn launch and metric."""
    every = launches_a_mark(inputs)
    rows = [
        (cell["engine"], where, one["block"], metric, one["value"] * _unit(metric)[0])
        for where, cell in _cells(inputs)
        for metric, numbers in cell["metrics"].items()
        if metric not in without
        for one in (numbers["launch_medians"] or ())[::every]
    ]
    return pd.DataFrame(rows, columns=["engine", "where", "launch", "metric", "value"])


def _largest_ratio(values: pd.DataFrame, iterations: pd.DataFrame | None) -> float:
    """Largest over smallest value within one view; 1 where a value of 0 forbids a logarithm."""
    ends = [values.groupby(["where", "metric"])["value"].agg(["min", "max"])]
    if iterations is not None:
        ends += [iterations.groupby("where")[metric].agg(["min", "max"]) for metric in ITERATION_METRICS]
    spans = pd.concat(ends)
    return float((spans["max"] / spans["min"]).max()) if (spans["min"] > 0).all() else 1.0


def _estimates(inputs: ReportInputs) -> pd.DataFrame:
    rows = [
        (cell["engine"], where, metric, *(end and end * _unit(metric)[0] for end in map(estimate.get, RANGE_KEYS)))
        for where, cell in _cells(inputs)
        for metric in cell["metrics"]
        if (estimate := inputs.results.estimate(cell["engine"], Cell(cell["workload"], cell["case"]), metric))
    ]
    return pd.DataFrame(rows, columns=["engine", "where", "metric", *RANGE_KEYS])


def decode_chart(inputs: ReportInputs) -> dict[str, Any] | None:
    """Decode rate by place in the answer; None where nothing was measured."""
    rows = [
        {
            "engine": entry["engine"],
            "where": inputs.places[entry["workload"], entry["case"]],
            "place": entry["position"],
            **{name: entry["tokens_per_s"][name] for name in RANGE_KEYS},
        }
        for entry in inputs.performance["decode_by_position"]
    ]
    if not rows:
        return None
    table = pd.DataFrame(rows)
    order = [engine["name"] for engine in inputs.engines if engine["name"] in set(table["engine"])]
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=260, symbolOpacity=1)
    marks = alt.Scale(domain=order, range=[inputs.signs[name].path for name in order])
    colour = alt.Color("engine:N", scale=_colours(inputs, order), legend=legend)
    x = alt.X("place:Q", title="place of the token in the answer", axis=alt.Axis(tickMinStep=1, grid=False))
    base = _chosen(table)
    y_title = "decode rate, tokens/s"
    bands = base.mark_area(opacity=0.18).encode(x=x, y=alt.Y("low:Q", title=y_title), y2="high:Q", color=colour)
    lines = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=36)).encode(
        x=x,
        y=alt.Y("point:Q", title=y_title),
        color=colour,
        shape=alt.Shape("engine:N", scale=marks, legend=legend),
        tooltip=["engine:N", "place:Q", *RANGE],
    )
    title = _titled(json.dumps(_decode_changes(rows)), "'Decode rate by place of the token, tokens/s'")
    chart = alt.layer(bands, lines).add_params(*_params(inputs))
    return _finished(chart, title, LINES_HEIGHT_PIXELS)


def _titled(findings: str, what: str) -> Any:
    """Two lines: the place's finding where it speaks of all engines that are shown; what is drawn, and where."""
    found = f"length(without) ? 'Engines chosen above' : {findings}[where] || 'No measurement'"
    return alt.Title(text=alt.ExprRef(f"[{found}, {what} + '; ' + where]"))


def _spans(inputs: ReportInputs) -> dict[str, dict[str, str]]:
    """By metric and place: which engines, but for controls, have the smallest and the largest typical value."""
    typical: dict[str, dict[str, dict[str, float]]] = {}
    controls = {engine["name"] for engine in inputs.engines if engine["control_of"] is not None}
    for where, cell in _cells(inputs):
        for metric in cell["metrics"]:
            estimate = inputs.results.estimate(cell["engine"], Cell(cell["workload"], cell["case"]), metric)
            if estimate is not None and cell["engine"] not in controls:
                typical.setdefault(metric, {}).setdefault(where, {})[cell["engine"]] = estimate["point"]
    return {
        metric: {where: f"Typically {span(values, in_unit(BY_NAME[metric].unit))}" for where, values in found.items()}
        for metric, found in typical.items()
    }


def _decode_changes(rows: Sequence[Document]) -> dict[str, str]:
    """By place: by how much the decode rate changes from the first drawn token to the last."""
    changes: dict[str, dict[str, float]] = {}
    lines: dict[tuple[str, str], list[Document]] = {}
    for row in rows:
        lines.setdefault((row["where"], row["engine"]), []).append(row)
    for (where, engine), points in lines.items():
        first, last = (pick(points, key=itemgetter("place"))["point"] for pick in (min, max))
        if first:
            changes.setdefault(where, {})[engine] = last / first - 1.0
    return {where: _change_words(found) for where, found in changes.items()}


def _change_words(changes: Mapping[str, float]) -> str:
    """What becomes of the decode rate in the course of an answer; nothing is told of less than half a percent."""
    if all(abs(change) < LEAST_CHANGE for change in changes.values()):
        return "No decode rate changes by 0.5 % or more from the first token drawn to the last"
    return f"Decode rate at the last token against the first: {span(changes, '{:+.1%}'.format)}"


def _chosen(table: pd.DataFrame) -> Any:
    """The rows of the workload and engines that the filters choose, as text of comma-separated values in the page."""
    text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    numbers = dict.fromkeys(table.select_dtypes("number").columns, "number")
    data = alt.InlineData(values=text, format=alt.CsvDataFormat(type="csv", parse=numbers))
    return alt.Chart(data).transform_filter("datum.where === where && indexof(without, datum.engine) < 0")


def _params(inputs: ReportInputs) -> list[Any]:
    """What the filters set: the place, and names of engines that are left out."""
    first = inputs.plan["workloads"][0]
    return [
        alt.param(name="where", value=inputs.places[first["name"], first["cases"][0]["name"]]),
        alt.param(name="without", value=[]),
    ]


def _colours(inputs: ReportInputs, order: list[str]) -> Any:
    return alt.Scale(domain=order, range=[inputs.signs[name].colour for name in order])


def _finished(chart: Any, title: Any, height: int) -> dict[str, Any]:
    """The specification as a dict, with the page's colours and width."""
    finished = chart.properties(width="container", height=height, title=title, background="transparent")
    specification: dict[str, Any] = finished.to_dict()
    # The address of the schema is for editors only; without it the page names no host at all.
    del specification["$schema"]
    return specification | {"config": CONFIG}
