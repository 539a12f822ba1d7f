"""`snakemake --report` on a finished campaign: what it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny_campaign import Campaign

pytestmark = pytest.mark.workflow

SHOWN = (
    "report.html",
    "summary.json",
    "comparison_table.md",
    "reproduction.md",
    "environment.json",
    "statistical_summary.json",
    "performance_analysis.json",
    "business_recommendations.json",
    "latency_comparison.png",
    "throughput_scaling.png",
    "memory_usage.png",
    "gpu_utilization.png",
)


def test_it_shows_answer_analysis_and_plots_with_caption_and_category(finished: Campaign, tmp_path: Path) -> None:
    out = tmp_path / "campaign.html"
    result = finished.snakemake("--report", str(out))
    assert result.status == 0, result.words
    page = out.read_text(encoding="utf-8")
    for name in SHOWN:
        assert f'"file": "{name}"' in page, name
    for category in ("Answer", "Plots", "Analysis", "How it was measured"):
        assert f'"{category}"' in page, category
    assert "Begin with <em>report.html</em>" in page
