"""No table of the page scrolls sideways on a desktop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from finished import finish
from records import ScriptedEngine, ScriptedWorkload

from .conftest import Visit

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1440, "height": 900}


def cut(page):
    """Headings of the tables that scroll sideways, with everything unfolded."""
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    return page.evaluate(
        """[...document.querySelectorAll(".scroll")].filter((room) => room.scrollWidth > room.clientWidth)
            .map((room) => `${room.innerText.slice(0, 40)}: ${room.scrollWidth} of ${room.clientWidth}`)"""
    )


def test_no_table_is_cut_on_a_desktop(visit):
    assert cut(visit(viewport=DESKTOP).page) == []


def test_no_table_is_cut_where_a_gpu_is_shown_beside_a_control_of_a_long_name(chromium, tmp_path):
    varies = {"launch_spread": 0.12, "iteration_spread": 0.1, "gpu_utilization_percent": 80.0, "measured_joules": 98.7}
    names = ("pytorch_baseline", "candle_cuda", "burn_cuda", "mistral_rs", "llama_cpp", "ctranslate2")
    engines = [
        ScriptedEngine(name, ttft_ms=1200.0 / (1 + number), itl_ms=100.0 - 10 * number, device="cuda:0", **varies)
        for number, name in enumerate(names)
    ]
    engines.append(replace(engines[0], name="pytorch_baseline_control", control_of="pytorch_baseline"))
    workloads = [ScriptedWorkload(name, ((36, 16),)) for name in ("latency_test", "throughput_test")]
    folder = finish(tmp_path, engines, workloads, launches=9, plots=False)
    found = Visit(chromium, (folder / "report.html").as_uri(), viewport=DESKTOP)
    heads = found.page.locator("table.sortable >> nth=0 >> thead th").all_inner_texts()
    assert any("GPU" in text for text in heads) and any("Energy" in text for text in heads)
    assert cut(found.page) == []
    found.context.close()
