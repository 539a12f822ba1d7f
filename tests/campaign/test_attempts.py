"""A launch is owed again when its unavailable engine has come back, and only then."""

import pytest

from benchmark_runner.campaign.attempts import attempt_owed
from benchmark_runner.jsonio import write_json


@pytest.mark.parametrize(
    ("status", "attempt", "back", "owed"),
    [
        ("ok", 1, True, 1),
        ("ok", 2, False, 2),
        ("failed", 1, True, 1),
        ("unavailable", 1, False, 1),
        ("unavailable", 1, True, 2),
    ],
)
def test_attempt_goes_up_only_for_an_unavailable_engine_that_is_back(tmp_path, status, attempt, back, owed):
    record = tmp_path / "record.json"
    write_json(record, {"schema_version": 1, "attempt": attempt, "status": status, "iterations": [0] * 10_000})
    assert attempt_owed(record, engine_is_back=back) == owed


def test_a_launch_without_a_record_is_owed_a_first_attempt(tmp_path):
    assert attempt_owed(tmp_path / "record.json", engine_is_back=True) == 1
