"""Two engines of one campaign, such as two builds of one program in the same blocks."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark_runner.comparison.engines import compare_engines
from benchmark_runner.comparison.gate import main as gate
from benchmark_runner.comparison.terms import Terms
from benchmark_runner.jsonio import write_json
from benchmark_runner.schemas import require_valid
from comparison_case import engine, known_side, primary

TERMS = Terms(0.95, 0.02, ("e2e_ms",))


@pytest.fixture
def judged(tmp_path):
    """comparison.json of the engine `new` against `old` of a campaign whose blocks vary by 10 %."""

    def judge(*engines, launches=10, **options):
        side = known_side("", engines, launches=launches, **options)
        factors = np.exp(np.random.default_rng(3).normal(0.0, 0.1, launches + 1))
        for found in side.known.values():
            found.update({block: value * factors[block] for block, value in found.items()})
        document = compare_engines(side, ("old", "new"), TERMS, tmp_path / "looks.json")
        require_valid("comparison", document, "comparison.json")
        write_json(tmp_path / "comparison.json", document)
        return primary(document, "new"), gate([str(tmp_path / "comparison.json")])

    return judge


@pytest.mark.parametrize(
    ("itl_ms", "verdict", "status"), [(10.5, "regression", 1), (10.0, "no_regression", 0), (9.5, "improved", 0)]
)
def test_two_builds_in_the_same_blocks_are_told_apart_whatever_the_blocks_do(judged, itl_ms, verdict, status):
    found, gated = judged(engine("old"), engine("new", itl_ms), engine("old_control", control_of="old"))
    assert (found["verdict"], gated) == (verdict, status)
    assert found["ratio"]["point"] == pytest.approx((20 + 10 * 10) / (20 + 10 * itl_ms), rel=0.01)
    assert "unpaired" not in found["qualifiers"] and "side by side" not in found["sentence"]
    assert found["tests"]["paired_t"]["n"] == found["tests"]["permutation"]["n"] == 10
    assert found["tests"]["welch_t"] is None
    assert "new answers" in found["sentence"] and "as fast as old" in found["sentence"]


def test_a_build_that_loses_launches_is_no_pass(judged):
    found, gated = judged(engine("old"), engine("new", statuses={("latency_test", 4): "failed"}))
    assert (found["verdict"], gated) == ("cannot_tell", 2)
    assert found["reason"] == "new failed in 1 of 10 launches after, before it lost none"


def test_too_few_blocks_say_how_many_would_do(judged):
    found, gated = judged(engine("old"), engine("new", 20.0), launches=5)
    assert (found["verdict"], gated) == ("cannot_tell", 2)
    assert found["reason"] == "too few launches: 5 cannot reach significance over 1 comparison, 6 can"
