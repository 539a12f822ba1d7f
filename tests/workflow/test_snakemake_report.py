"""`snakemake --report` on a finished campaign: what it holds."""

from __future__ import annotations

import re
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

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


LOCKS = Path(__file__).resolve().parents[2] / "envs"
# A user has what workflow.txt locks; whatever the tests' environment holds beside it is not there for this call.
HIDING = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}: the workflow's lock lacks it", name=name)
sys.meta_path.insert(0, Hidden())
"""


def locked(lock: str) -> set[str]:
    """Names of a lock's packages."""
    return set(re.findall(r"^([a-z0-9-]+)==", (LOCKS / lock).read_text(encoding="utf-8"), re.MULTILINE))


@pytest.fixture()
def only_the_users_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides from new Python processes every package that only the tests' lock has."""
    tests_alone = locked("test.txt") - locked("workflow.txt")
    hidden = {
        module
        for module, packages in packages_distributions().items()
        if all(re.sub("[._]", "-", package).lower() in tests_alone for package in packages)
    }
    assert "pytest" in hidden and "yaml" not in hidden
    (tmp_path / "sitecustomize.py").write_text(HIDING.format(names=hidden), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.usefixtures("only_the_users_packages")
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


@pytest.mark.usefixtures("only_the_users_packages")
def test_as_an_archive_it_holds_the_page_and_every_file(finished: Campaign, tmp_path: Path) -> None:
    out = tmp_path / "campaign.zip"
    result = finished.snakemake("--report", str(out))
    assert result.status == 0, result.words
    with ZipFile(out) as archive:
        held = {Path(name).name for name in archive.namelist()}
    assert held >= {"report.html", *SHOWN}
