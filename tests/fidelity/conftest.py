"""The files of one case."""

from __future__ import annotations

from pathlib import Path

import pytest

from fidelity_case import FidelityCase


@pytest.fixture
def case(tmp_path: Path, repository: Path) -> FidelityCase:
    return FidelityCase(tmp_path, repository)
