"""Campaigns to run, and one that has run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny_campaign import Campaign
from tiny_model import make_tiny_model


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
