"""A comparison by the stage's own command."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmark_runner.comparison.__main__ import main
from benchmark_runner.comparison.terms import terms_file
from comparison_case import write_campaign

TERMS = {"confidence_level": 0.95, "margin": 0.02, "metrics": ["e2e_ms"]}

Compared = Callable[..., dict[str, Any]]


@pytest.fixture
def compared(tmp_path: Path) -> Compared:
    """Compares two campaigns, each given as the arguments of write_campaign; returns comparison.json."""

    def compare(before: Mapping[str, Any], after: Mapping[str, Any], **terms: Any) -> dict[str, Any]:
        flags = write_campaign(tmp_path / "before", **before) + write_campaign(
            tmp_path / "after", **{"seed": 2, **after}
        )
        agreed = {**TERMS, **terms}
        (tmp_path / terms_file(agreed)).write_text(json.dumps(agreed))
        out = [
            "--terms",
            str(tmp_path / terms_file(agreed)),
            "--looks",
            str(tmp_path / "looks.json"),
            "--out",
            str(tmp_path / "comparison.json"),
        ]
        assert main([*flags, *out, "--table", str(tmp_path / "comparison.md")]) == 0
        content: dict[str, Any] = json.loads((tmp_path / "comparison.json").read_text())
        return content

    return compare
