"""A page of very many launches stays small and says what it leaves out."""

from __future__ import annotations

from benchmark_runner.report import campaign, charts
from finished import finish
from records import ScriptedEngine, ScriptedWorkload


def test_a_page_of_very_many_launches_lists_and_draws_some_and_says_so(tmp_path, monkeypatch):
    for module in (campaign, charts):
        monkeypatch.setattr(module, "MOST_LAUNCHES", 5)
    monkeypatch.setattr(charts, "MOST_ITERATIONS", 3)
    engines = (
        ScriptedEngine("quick", launch_spread=0.01),
        ScriptedEngine("slow", itl_ms=12.0, launch_spread=0.01, statuses={("latency_test", 2): "timeout"}),
    )
    folder = finish(tmp_path, engines, (ScriptedWorkload("latency_test"),), plots=False, launches=6)
    page = (folder / "report.html").read_text()
    assert "All 12 launches" in page
    assert "1 launch with a remark or another end than ok; logs/benchmark.log tells of all 12" in page
    assert "scripted to end as timeout" in page and page.count('<td class="number" data-value="6065.0">') == 1
    assert "every mark is the median of one launch, and of every 3 launches one is drawn." in page


def test_a_page_of_few_iterations_in_many_launches_says_that_some_launches_are_not_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(charts, "MOST_LAUNCHES", 5)
    engines = [ScriptedEngine(name, launch_spread=0.01) for name in ("one", "two")]
    page = (finish(tmp_path, engines, (ScriptedWorkload(),), plots=False, launches=6) / "report.html").read_text()
    assert "one launch (of every 3 launches one is drawn) where the metric is of a whole launch" in page
