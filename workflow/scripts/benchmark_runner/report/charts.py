"""The interactive charts: Vega-Lite specifications whose data lie in the page, drawn without a network."""

from __future__ import annotations

from typing import Any, Final

import altair as alt
import pandas as pd

from benchmark_runner.report.inputs import ReportInputs
from benchmark_runner.statistics.metrics import BY_NAME
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
METRIC_LABELS: Final = {name: BY_NAME[name].axis for name in ("e2e_ms", "ttft_ms", "tpot_ms", "total_tokens_per_s")}
# A page with more marks takes seconds to draw; the launches' medians stand in for them then, and the page says so.
MOST_MARKS: Final = 12_000
LOG_FROM_RATIO: Final = 6.0  # as in the plots
ENGINE_HEIGHT_PIXELS: Final = 64
LINES_HEIGHT_PIXELS: Final = 300
RANGE: Final = tuple(alt.Tooltip(f"{name}:Q", format=",.4~r") for name in ("point", "low", "high"))
INK: Final = "currentColor"  # the page's text colour, light or dark
CONFIG: Final[dict[str, Any]] = {
    "font": "system-ui, sans-serif",
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
    marks, each_iteration = _marks(inputs)
    where = sorted(marks["where"].unique())
    pick_where = _dropdown("where", "Where", where, where[0])
    pick_metric = _dropdown("metric", "Metric", list(METRIC_LABELS.values()), METRIC_LABELS["e2e_ms"])
    order = [engine["name"] for engine in inputs.engines]
    far_apart = _largest_ratio(marks) > LOG_FROM_RATIO
    scale = alt.Scale(type="log", nice=False, padding=12) if far_apart else alt.Scale(zero=False)
    x = alt.X("value:Q", scale=scale, title=None, axis=alt.Axis(format=",.4~r", tickCount=6))
    y = alt.Y("engine:N", sort=order, title=None, axis=alt.Axis(labelLimit=220, ticks=False, domain=False))
    colour = alt.Color("engine:N", scale=_colours(inputs, order), legend=None)
    chosen = "datum.where === where && datum.metric === metric"
    base = alt.Chart(_data(marks)).transform_filter(chosen)
    points = base.mark_point(filled=True, size=34, opacity=0.75).encode(
        x=x,
        y=y,
        yOffset=alt.YOffset("launch:O"),
        color=colour,
        shape=alt.Shape("outlier:N", scale=alt.Scale(domain=["no", "yes"], range=["circle", "cross"]), legend=None),
        tooltip=["engine:N", "launch:O", "iteration:O", alt.Tooltip("value:Q", format=",.4~r"), "outlier:N"],
    )
    estimates = alt.Chart(_data(_estimates(inputs))).transform_filter(chosen)
    rules = estimates.mark_rule(color=INK, strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", y=y)
    ticks = estimates.mark_point(shape="diamond", size=110, filled=True, stroke=INK, strokeWidth=1, opacity=1).encode(
        x=alt.X("point:Q"),
        y=y,
        color=colour,
        tooltip=["engine:N", *RANGE],
    )
    title = alt.Title(text=alt.ExprRef("[metric, where]"))
    chart = alt.layer(points, rules, ticks).add_params(pick_where, pick_metric)
    return _finished(chart, title, ENGINE_HEIGHT_PIXELS * len(order)), each_iteration


def _marks(inputs: ReportInputs) -> tuple[pd.DataFrame, bool]:
    table = inputs.iterations.rename(columns={"block": "launch", "index": "iteration"})
    table = table.assign(where=table["workload"] + ", " + table["case"])
    keys = ["engine", "where", "launch"]
    each_iteration = len(table) * len(METRIC_LABELS) <= MOST_MARKS
    if each_iteration:
        table = table.assign(outlier=table["outlier"].map({True: "yes", False: "no"}))
    else:
        table = table.groupby(keys, as_index=False)[list(METRIC_LABELS)].median()
        table = table.assign(iteration="median", outlier="no")
    keys += ["iteration", "outlier"]
    long = table.melt(id_vars=keys, value_vars=list(METRIC_LABELS), var_name="metric")
    long["metric"] = long["metric"].map(METRIC_LABELS)
    long["value"] = long["value"].map(lambda value: float(f"{value:.6g}"))
    return long.dropna(subset=["value"]), each_iteration


def _largest_ratio(marks: pd.DataFrame) -> float:
    """Largest over smallest value within one view; 1 where a value of 0 forbids a logarithm."""
    spans = marks.groupby(["where", "metric"])["value"].agg(["min", "max"])
    return float((spans["max"] / spans["min"]).max()) if (spans["min"] > 0).all() else 1.0


def _estimates(inputs: ReportInputs) -> pd.DataFrame:
    rows = []
    for cell in inputs.statistics["cells"]:
        place = Cell(cell["workload"], cell["case"])
        for metric, label in METRIC_LABELS.items() if cell["case"] is not None else ():
            estimate = inputs.results.estimate(cell["engine"], place, metric)
            if estimate is not None:
                where = f"{cell['workload']}, {cell['case']}"
                rows.append({"engine": cell["engine"], "where": where, "metric": label, **estimate})
    return pd.DataFrame(rows, columns=["engine", "where", "metric", "point", "low", "high"])


def decode_chart(inputs: ReportInputs) -> dict[str, Any] | None:
    """Decode rate by place in the answer; None where nothing was measured."""
    rows = [
        {
            "engine": entry["engine"],
            "where": f"{entry['workload']}, {entry['case']}",
            "place": entry["position"],
            **{name: entry["tokens_per_s"][name] for name in ("point", "low", "high")},
        }
        for entry in inputs.performance["decode_by_position"]
    ]
    if not rows:
        return None
    table = pd.DataFrame(rows)
    where = sorted(table["where"].unique())
    order = [engine["name"] for engine in inputs.engines if engine["name"] in set(table["engine"])]
    legend = alt.Legend(title=None, orient="bottom", columns=2, labelLimit=260)
    colour = alt.Color("engine:N", scale=_colours(inputs, order), legend=legend)
    x = alt.X("place:Q", title="place of the token in the answer", axis=alt.Axis(tickMinStep=1, grid=False))
    base = alt.Chart(_data(table)).transform_filter("datum.where === where")
    y_title = "decode rate, tokens/s"
    bands = base.mark_area(opacity=0.18).encode(x=x, y=alt.Y("low:Q", title=y_title), y2="high:Q", color=colour)
    lines = base.mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=22)).encode(
        x=x,
        y=alt.Y("point:Q", title=y_title),
        color=colour,
        tooltip=["engine:N", "place:Q", *RANGE],
    )
    title = alt.Title(text=alt.ExprRef("['Decode rate by place of the token', where]"))
    chart = alt.layer(bands, lines).add_params(_dropdown("where", "Where", where, where[0]))
    return _finished(chart, title, LINES_HEIGHT_PIXELS)


def _data(table: pd.DataFrame) -> Any:
    """The rows as values of the chart; NaN is null."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def _dropdown(name: str, label: str, options: list[str], value: str) -> Any:
    return alt.param(name=name, value=value, bind=alt.binding_select(options=options, name=f"{label} "))


def _colours(inputs: ReportInputs, order: list[str]) -> Any:
    return alt.Scale(domain=order, range=[inputs.colours[name] for name in order])


def _finished(chart: Any, title: Any, height: int) -> dict[str, Any]:
    """The specification as a dict, with the page's colours and width."""
    finished = chart.properties(width="container", height=height, title=title, background="transparent")
    specification: dict[str, Any] = finished.to_dict()
    # The address of the schema is for editors only; without it the page names no host at all.
    del specification["$schema"]
    return specification | {"config": CONFIG}
