"""What the four plots show, read from the figures before they become pixels; and that the pixels are stable."""

from __future__ import annotations

import warnings

import pandas as pd
import pytest
from matplotlib.text import Text

from benchmark_runner.display import STRUCK, TIMES, significant
from benchmark_runner.plots import gpu, latency, memory, throughput
from benchmark_runner.plots.rows import Row, draw_rows
from benchmark_runner.plots.style import new_figure, save, style
from benchmark_runner.statistics.results import Cell
from finished import ENGINES, WEIGHTS_BYTES, draw_plots, finish, read
from records import ScriptedEngine, ScriptedWorkload

PNG_HEAD = b"\x89PNG\r\n\x1a\n"


class Campaign:
    """A finished results folder and what the plots read of it."""

    def __init__(self, folder):
        self.folder = folder
        self.statistics = read(folder, "analysis/statistical_summary.json")
        self.performance = read(folder, "analysis/performance_analysis.json")
        self.raw = [read(folder, f"raw_data/{engine['name']}.json") for engine in self.statistics["engines"]]
        parquet = folder / "analysis" / "iterations.parquet"
        self.latency = latency.read_measured(parquet, latency.COLUMNS)
        self.throughput = latency.read_measured(parquet, throughput.COLUMNS)

    def figures(self):
        with style():
            yield latency.draw(self.statistics, self.latency, self.performance)
            yield throughput.draw(self.statistics, self.performance, self.throughput)
            yield memory.draw(self.statistics, self.performance)
            yield gpu.draw(self.statistics, self.raw)


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    return Campaign(finish(tmp_path_factory.mktemp("plotted")))


def words(figure):
    return "\n".join(text.get_text() for text in figure.findobj(Text)).replace("_\n", "_")


def test_every_plot_names_every_engine_and_the_reason_of_one_without_data(campaign):
    for figure in campaign.figures():
        text = words(figure)
        assert "pytorch_baseline_control" in text and "candle_cuda" in text
    latencies, _, _, cores = campaign.figures()
    for figure in (latencies, cores):
        assert "burn_cuda" in words(figure)
        assert "cargo <b>is</b> missing & so is nvcc" in words(figure).replace("\n", " ")


def rows_of(campaign, metric="e2e_ms", engine="candle_cuda"):
    here = campaign.latency[campaign.latency["workload"] == "latency_test"]
    rows = latency.latency_rows(campaign.statistics, here, Cell("latency_test", "case_1"), metric, (1.0, "ms"))
    return next(row for row in rows if row.name == engine)


def test_each_launch_has_a_lane_with_all_of_its_iterations(campaign):
    row = rows_of(campaign)
    assert [len(lane) for lane in row.lanes] == [4] * 6
    assert row.note == "6 launches of 4 iterations"
    measured = [
        (iteration["end_ns"] - iteration["start_ns"]) / 1e6
        for record in next(document for document in campaign.raw if document["engine"] == "candle_cuda")["launches"]
        for iteration in record["iterations"]
        if record["workload"] == "latency_test" and not iteration["warmup"]
    ]
    assert sorted(value for lane in row.lanes for value in lane) == pytest.approx(sorted(measured))


def test_the_figures_in_words_are_those_of_the_summary(campaign):
    matrix = read(campaign.folder, "summary.json")["comparison_matrix"]["candle_cuda"]
    row = rows_of(campaign)
    assert row.estimate.point == pytest.approx(matrix["latency_ms"])
    low, high = (significant(matrix["latency_interval"][bound]) for bound in ("low", "high"))
    assert row.words == f"{significant(matrix['latency_ms'])} ms\n{low} to {high}"


def test_values_far_apart_are_drawn_on_a_logarithmic_scale_that_says_so(tmp_path):
    engines = [
        ScriptedEngine("quick", ttft_ms=10.0, itl_ms=10.0, launch_spread=0.01),
        ScriptedEngine("slow", ttft_ms=200.0, itl_ms=200.0, launch_spread=0.01),
    ]
    found = Campaign(finish(tmp_path, engines, (ScriptedWorkload("latency_test"),), plots=False))
    with style():
        figure = latency.draw(found.statistics, found.latency, found.performance)
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "log"]
    assert "End-to-end latency, ms (logarithmic scale)" in words(figure) or "s (logarithmic scale)" in words(figure)


def test_flagged_iterations_are_shown_as_such(tmp_path):
    engines = [
        ScriptedEngine("base", iteration_spread=0.001, slow_iterations={(1, 3): 3.0}),
        ScriptedEngine("other", iteration_spread=0.001),
    ]
    workloads = (ScriptedWorkload("latency_test", iterations=10),)
    found = Campaign(finish(tmp_path, engines, workloads, plots=False, launches=3))
    row = rows_of(found, engine="base")
    assert [len(lane) for lane in row.lanes] == [10, 10, 10]
    slow = row.lanes[0][3]
    assert slow == max(row.lanes[0]) > 2 * min(row.lanes[0])
    assert row.flagged[0][3]


def test_what_is_flagged_in_one_launch_is_not_in_another_of_its_lane():
    many = 2 * latency.MOST_LANES
    here = pd.DataFrame(
        [
            {"engine": "candle_cuda", "block": block, "e2e_ms": 5.0, "outlier": block == 2 and again}
            for block in range(many, 0, -1)
            for again in (True, False)
        ]
    )
    lanes = [
        latency.shared_lanes([part[which].tolist() for part in latency.launches_of(here, "e2e_ms")]) for which in (0, 1)
    ]
    assert [len(lane) for lane in lanes[0]] == [4] * latency.MOST_LANES
    assert lanes[1] == [[False, False, True, False], *([[False] * 4] * (latency.MOST_LANES - 1))]
    with style():
        axes = new_figure(3.0).add_subplot()
        draw_rows(axes, [Row("candle_cuda", "", "#000000", "o", *lanes)], names=True)
    drawn = {line.get_marker(): len(line.get_xdata()) for line in axes.lines if len(line.get_xdata())}
    assert drawn == {"o": 4 * latency.MOST_LANES - 1, "x": 1}


def test_the_marks_of_axes_are_one_image_of_a_drawing(campaign, tmp_path):
    with style():
        figure = latency.draw(campaign.statistics, campaign.latency, campaign.performance)
        save(figure, tmp_path / "plot.svg", "svg")
    assert (tmp_path / "plot.svg").read_text().count("<image") == len(figure.axes) == 6


def test_throughput_has_a_panel_a_case_and_one_by_prompt_length(campaign):
    figure = throughput.draw(campaign.statistics, campaign.performance, campaign.throughput)
    titles = [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]
    assert titles == [
        "latency_test (prompt of 8 tokens)",
        "throughput_test, case_1 (prompt of 8 tokens)",
        "throughput_test, case_2 (prompt of 64 tokens)",
        "throughput_test: decode by prompt length",
        "throughput_test: prefill by prompt length",
    ]


def test_decode_lines_have_their_points_and_bands(campaign):
    series = throughput.position_series(campaign.statistics, campaign.performance, "latency_test", "case_1")
    candle = next(line for line in series if line.name == "candle_cuda")
    assert [point[0] for point in candle.points] == list(range(2, 12))  # gaps end at tokens 2 to 11
    assert all(low < rate < high for _, rate, low, high in candle.points)
    assert candle.points[0][1] == pytest.approx(1000 / 30, rel=0.05)


def test_memory_is_shown_by_launch_against_the_weights(campaign):
    rows = memory.memory_rows(campaign.statistics, campaign.performance, "peak_rss_bytes")
    row = next(row for row in rows if row.name == "candle_cuda")
    assert [len(lane) for lane in row.lanes] == [6, 6]
    assert {row.words for row in rows if row.absent is None} == {f"1.00 GB\n2.00 {TIMES} weights"}  # the control too
    assert memory.weights_gb(campaign.performance, "candle_cuda") == WEIGHTS_BYTES / 1e9


def test_without_gpu_memory_the_plot_gives_the_reason(campaign):
    text = words(memory.draw(campaign.statistics, campaign.performance))
    assert "GPU memory: no measurement: no GPU" in text


def test_without_a_gpu_the_figure_says_why_and_shows_the_processor(campaign):
    text = words(gpu.draw(campaign.statistics, campaign.raw))
    assert "No GPU utilisation" in text and "Why: no GPU." in text
    assert "1.00 cores" in text and "of 1, 100 %" in text


def test_with_a_gpu_its_utilisation_is_shown(tmp_path):
    engines = [
        ScriptedEngine("base", device="cuda:0", gpu_utilization_percent=80.0),
        ScriptedEngine("other", device="cuda:0", gpu_utilization_percent=95.5),
    ]
    found = Campaign(finish(tmp_path, engines, (ScriptedWorkload("latency_test"),)))
    rows = gpu.utilisation_rows(found.statistics, gpu.GPU, {})
    assert {row.name: row.words for row in rows} == {"base": "80.0 %", "other": "95.5 %"}
    assert "GPU utilisation: from 80.0 % (base) to 95.5 % (other)" in words(gpu.draw(found.statistics, found.raw))
    assert "loading included" in words(gpu.draw(found.statistics, found.raw))
    told = words(memory.draw(found.statistics, found.performance))
    assert "Peak GPU memory, GB" in told and "Peak GPU memory, lower is better: " in told


def test_the_same_data_give_the_same_bytes(campaign, tmp_path):
    folder = campaign.folder
    statistics = ["--statistics", str(folder / "analysis/statistical_summary.json")]
    iterations = ["--iterations", str(folder / "analysis/iterations.parquet")]
    raw = ["--raw", *(str(folder / "raw_data" / f"{engine.name}.json") for engine in ENGINES)]
    performance = str(folder / "analysis/performance_analysis.json")
    draw_plots(tmp_path, statistics, performance, iterations, raw)
    drawn = {file.name: file.read_bytes() for file in (tmp_path / "plots").iterdir()}
    assert {name: (folder / "plots" / name).read_bytes() for name in drawn} == drawn
    pictures = [content for name, content in drawn.items() if name.endswith(".png")]
    assert len(pictures) == 4 and all(content.startswith(PNG_HEAD) for content in pictures)


def test_a_campaign_without_any_measurement_is_drawn_with_its_reasons(tmp_path):
    engines = [ScriptedEngine("base", unavailable="no compiler"), ScriptedEngine("other", unavailable="no driver")]
    found = Campaign(finish(tmp_path, engines, (ScriptedWorkload("latency_test"),)))
    text = words(latency.draw(found.statistics, found.latency, found.performance))
    assert "no measurement: no compiler" in text and "no measurement: no driver" in text
    assert "no engine was measured here" in words(
        throughput.draw(found.statistics, found.performance, found.throughput)
    )


def test_one_launch_alone_has_no_interval_and_says_so(tmp_path):
    engines = [ScriptedEngine("base"), ScriptedEngine("other")]
    found = Campaign(finish(tmp_path, engines, (ScriptedWorkload("latency_test"),), launches=1))
    assert rows_of(found, engine="base").words == "120 ms\nno interval"


def test_names_with_dollar_signs_and_long_names_are_drawn_without_a_warning(tmp_path):
    engines = [
        ScriptedEngine("base"),
        ScriptedEngine("a_name_that_is_as_long_as_the_configuration_allows_it_to_be_64c"),
    ]
    engines.append(ScriptedEngine("gone", unavailable="costs $5 and $x^"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finish(tmp_path, engines, (ScriptedWorkload("latency_test"),))


def test_every_plot_says_which_engine_is_struck(tmp_path):
    wrong = ScriptedEngine("wrong", ttft_ms=1.0, itl_ms=0.5, fidelity="fail", launch_spread=0.01, iteration_spread=0.01)
    for figure in Campaign(finish(tmp_path, [ENGINES[0], wrong], plots=False)).figures():
        assert words(figure).replace("\n", " ").count(STRUCK) >= 1


def test_titles_state_what_was_found(campaign):
    latencies, rates, peaks, cores = (words(figure).replace("\n", " ") for figure in campaign.figures())
    assert "Latency, lower is better: candle_cuda answers fastest in all 3 test cases" in latencies
    assert "candle_cuda answers fastest in latency_test: " in latencies
    assert "To the end of an answer engines keep" in rates and "n = 6 launches" in rates
    assert "Peak memory, lower is better: " in peaks
    assert "No GPU utilisation; cores kept busy instead: " in cores


def test_an_axis_that_does_not_begin_at_0_says_so(campaign):
    latencies, rates, peaks, _ = campaign.figures()
    for axes in latencies.axes:
        assert (
            axes.get_xlim()[0] == 0
            or "does not begin at 0" in axes.get_title(loc="left")
            or "logarithmic" in words(axes)
        )
    assert all(axes.get_xlim()[0] == 0 for axes in peaks.axes)
    ticks = [tick for axes in rates.axes if axes.lines for tick in axes.get_xticks()]
    assert ticks and all(float(tick).is_integer() for tick in ticks)
    assert all(axes.get_ylim()[0] == 0 for axes in rates.axes if axes.lines)


def test_marks_that_lie_close_together_lie_within_an_axis_that_begins_at_0():
    with style():
        axes = new_figure(3.0).add_subplot()
        draw_rows(axes, [Row("engine", "", "#000000", "o", [[23.2, 23.3]])], names=True, from_zero=True)
    assert axes.get_xlim() == (0, pytest.approx(23.3 * 1.06))


def test_the_same_data_make_the_same_svg(campaign, tmp_path):
    for name in ("a.svg", "b.svg"):
        with style():
            save(memory.draw(campaign.statistics, campaign.performance), tmp_path / name, "svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.svg").read_bytes().endswith(b"</svg>\n")


def test_launches_that_followed_each_other_share_a_lane_where_there_are_very_many():
    launches = [[float(number)] for number in range(100)]
    assert latency.shared_lanes(launches[:24]) == launches[:24]
    lanes = latency.shared_lanes(launches)
    assert len(lanes) == 20 and lanes[0] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert [value for lane in lanes for value in lane] == [float(number) for number in range(100)]
    assert latency.shared_lanes([]) == []


def test_a_picture_too_tall_for_its_dots_is_drawn_with_fewer(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark_runner.plots.style.MOST_PIXELS", 600)
    with style():
        save(new_figure(12.0), tmp_path / "tall.png", "png")
    head = (tmp_path / "tall.png").read_bytes()[16:24]
    assert (int.from_bytes(head[:4]), int.from_bytes(head[4:])) == (550, 600)
