"""Campaigns to run, one that has run, and the table of what changes made owed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny_campaign import Campaign
from tiny_model import make_tiny_model

RerunEffects = list[tuple[str, dict[str, int]]]
"""Changes, each with the jobs by stage that it made owed."""

EFFECTS = pytest.StashKey[RerunEffects]()


@pytest.fixture(scope="session")
def rerun_effects(request: pytest.FixtureRequest) -> RerunEffects:
    """Rows of the table that the test run prints at its end."""
    return request.config.stash.setdefault(EFFECTS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table of rerun effects."""
    effects = config.stash.get(EFFECTS, [])
    if not effects:
        return
    stages = ["plan", "model", "launches", "fidelity", "analysis", "plots", "advice", "report"]
    terminalreporter.section("what a change reruns (jobs by stage)")
    terminalreporter.write_line(f"{'changed':<42}" + "".join(f"{stage:>10}" for stage in stages))
    for change, jobs in effects:
        counts = "".join(f"{jobs.get(stage, '-'):>10}" for stage in stages)
        terminalreporter.write_line(f"{change:<42}{counts}")


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    """A campaign of which nothing has run."""
    make_tiny_model(tmp_path / "models" / "tiny")
    return Campaign(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The tiny campaign, run to its end once; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("finished")
    make_tiny_model(folder / "models" / "tiny")
    campaign = Campaign(folder)
    result = campaign.snakemake()
    assert result.status == 0, result.words
    return campaign
