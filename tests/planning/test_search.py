"""From pilot launches to levels: what each engine kept and missed, in figures and words."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.planning import search
from benchmark_runner.planning.plan import purpose

CLOSED = {"mode": "closed", "search": "pilot", "concurrency": [1, 2, 4, 8]}
LIMITS = "TTFT up to 9 ms for 90 % of requests"


def test_each_engine_is_told_with_what_it_kept_and_missed():
    found = search.grid_of(
        CLOSED,
        {"a": [True, True, False, False], "b": [True] * 4, "c": [False] * 4, "d": "failed: it died"},
        LIMITS,
    )
    assert [(one["engine"], one["kept"], one["missed"]) for one in found["engines"]] == [
        ("a", 2, 4),
        ("b", 8, None),
        ("c", None, 1),
        ("d", None, None),
    ]
    assert found["levels"] == [1, 2, 3, 4, 8]
    assert found["words"] == (
        "1, 2, 3, 4, 8 requests in flight, found by a pilot launch of each engine that counts for no verdict, at the "
        f"limits {LIMITS}: a keeps the limits with 2 requests in flight and misses them with 4 requests in flight; "
        "b keeps the limits with 8 requests in flight, where the search ends; "
        "c misses the limits with 1 request in flight already; d tells nothing (failed: it died)"
    )


def test_a_level_kept_above_one_that_was_missed_does_not_count():
    found = search.grid_of(CLOSED, {"a": [True, False, True, True]}, LIMITS)
    assert found["engines"] == [{"engine": "a", "kept": 1, "missed": 2}]


def test_without_any_pilot_launch_there_are_no_levels():
    with pytest.raises(BenchmarkError, match=r"no pilot launch ended ok.*a tells nothing \(timeout: late\)"):
        search.grid_of(CLOSED, {"a": "timeout: late"}, LIMITS)


def test_the_plan_of_a_pilot_says_what_it_is_for_and_promises_no_verdict():
    plan = {"campaign": {"pilot": True}, "workloads": [{"name": "serving"}], "power": None}
    assert purpose(plan).startswith("these launches find the levels of serving (load.search) and count for no verdict")


def test_a_launch_that_did_not_end_ok_tells_why(tmp_path, monkeypatch):
    head = {"status": "unavailable", "reason": "no program"}
    monkeypatch.setattr(search, "read_record", lambda *_: SimpleNamespace(head=head))
    (tmp_path / "record.json").write_text(json.dumps(head))
    assert search.met(tmp_path / "record.json", ["c1"], {}) == "unavailable: no program"


def test_of_conversations_the_levels_are_conversations():
    words = search.grid_of({**CLOSED, "turns": 3}, {"a": [True, True, False, False]}, LIMITS)["words"]
    assert words.startswith("1, 2, 3, 4 conversations, found by")
    assert "a keeps the limits with 2 conversations of 3 turns and misses them with 4 conversations of 3 turns" in words
