"""A Llama folder of a few kilobytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiny_model import make_tiny_model


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    return make_tiny_model(tmp_path / "tiny")
