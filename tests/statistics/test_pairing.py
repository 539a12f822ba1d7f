"""Which launches count as pairs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmark_runner.campaign.order import balanced_blocks
from benchmark_runner.statistics.inputs import EngineData, MeasuredLaunch, Measurements, device_of
from benchmark_runner.statistics.pairing import LONGEST_IDLE_S, Occasions, paired_blocks

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def _launch(engine: str, start_s: float, end_s: float, block: int = 1, **changes: Any) -> MeasuredLaunch:
    fields: dict[str, Any] = {
        "engine": engine,
        "workload": "w",
        "block": block,
        "position": 1,
        "status": "ok",
        "hostname": "here",
        "boot_id": "boot",
        "started": START + timedelta(seconds=start_s),
        "ended": START + timedelta(seconds=end_s),
        "record": {},
    }
    return MeasuredLaunch(**(fields | changes))


def test_launches_one_after_the_other_are_a_pair_in_either_order() -> None:
    a, b = _launch("a", 0, 60), _launch("b", 61, 120)
    assert Occasions([a, b]).together(a, b)
    assert Occasions([a, b]).together(b, a)


@pytest.mark.parametrize(("idle_s", "expected"), [(LONGEST_IDLE_S, True), (LONGEST_IDLE_S + 1, False)])
def test_a_long_pause_ends_the_occasion(idle_s: float, expected: bool) -> None:
    a, b = _launch("a", 0, 60), _launch("b", 60 + idle_s, 200 + idle_s)
    assert Occasions([a, b]).together(a, b) is expected


def test_other_launches_of_the_block_keep_the_occasion_alive() -> None:
    a, b = _launch("a", 0, 60), _launch("b", 3600, 3660)
    between = [_launch("c", 60 + 600 * step, 650 + 600 * step) for step in range(6)]
    assert Occasions([a, *between, b]).together(a, b)
    assert not Occasions([a, *between[:3], b]).together(a, b)


@pytest.mark.parametrize("change", [{"hostname": "there"}, {"boot_id": "another"}])
def test_another_host_or_boot_is_another_occasion(change: dict[str, str]) -> None:
    a, b = _launch("a", 0, 60), _launch("b", 61, 120, **change)
    assert not Occasions([a, b]).together(a, b)


def test_a_block_with_a_long_pause_is_split() -> None:
    whole = [_launch("a", 0, 60), _launch("b", 61, 120)]
    split = [_launch("a", 200, 260, block=2), _launch("b", 9000, 9060, block=2)]
    assert Occasions([*whole, *split]).split_blocks == [2]
    assert Occasions(whole).split_blocks == []


def test_launches_of_another_boot_do_not_bridge_a_pause() -> None:
    a, b = _launch("a", 0, 60), _launch("b", 2000, 2060)
    other = _launch("c", 70, 1990, boot_id="another")
    assert not Occasions([a, other, b]).together(a, b)


def test_a_break_between_the_rows_of_a_block_parts_no_pair() -> None:
    cells, clock, launches, before = [(engine, workload) for engine in "abc" for workload in "vw"], 0.0, [], None
    for block, (engine, workload) in balanced_blocks([cells] * 4, seed=5):
        clock += 5.0 if workload == before else 2 * LONGEST_IDLE_S
        launches.append(_launch(engine, clock, clock + 60, block, workload=workload))
        clock, before = clock + 60, workload
    for workload in "vw":
        a, b, c = ([one for one in launches if (one.engine, one.workload) == (name, workload)] for name in "abc")
        assert paired_blocks(a, b, Occasions(launches)) == paired_blocks(c, a, Occasions(launches)) == [1, 2, 3, 4]


def test_an_engine_that_joins_at_once_has_no_pairs_although_the_machine_was_never_idle() -> None:
    a = [_launch("a", 100 * block, 100 * block + 40, block) for block in (1, 2, 3)]
    b = [_launch("b", 100 * block + 50, 100 * block + 90, block) for block in (1, 2, 3)]
    joined = [_launch("c", 400 + 50 * block, 440 + 50 * block, block) for block in (1, 2, 3)]
    campaign = [*a, *b, *joined]
    assert paired_blocks(a, b, Occasions(campaign)) == [1, 2, 3]
    assert paired_blocks(a, joined, Occasions(campaign)) == []


def test_launches_of_another_block_on_another_machine_part_no_pair() -> None:
    a, b = _launch("a", 0, 60), _launch("b", 61, 120)
    elsewhere = _launch("a", 30, 90, block=2, hostname="there", boot_id="other")
    assert paired_blocks([a], [b], Occasions([a, b, elsewhere])) == [1]


def test_calls_in_two_folders_that_took_turns_on_one_machine_keep_their_pairs_where_they_are_joined() -> None:
    a, b = [_launch("a", 0, 20, 1), _launch("a", 25, 45, 2)], [_launch("b", 50, 70, 1), _launch("b", 75, 95, 2)]
    order = [{"block": block, "measured": {"in": block - 1, "block": 1}} for block in (1, 2)]
    joined = Measurements({"campaign": {"joined": {}}, "order": order}, {}).folders
    assert paired_blocks(a, b, Occasions([*a, *b], folders=joined)) == [1, 2]
    assert paired_blocks(a, b, Occasions([*a, *b])) == []


def test_only_blocks_in_which_both_ended_ok_are_pairs() -> None:
    a = [_launch("a", 100 * block, 100 * block + 40, block) for block in (1, 2, 3, 4)]
    b = [_launch("b", 100 * block + 50, 100 * block + 90, block) for block in (1, 2, 4)]
    b[1] = _launch("b", 250, 290, 2, status="failed")
    assert paired_blocks(a, b, Occasions([*a, *b])) == [1, 4]


def test_an_engine_that_was_measured_the_next_day_has_no_pairs() -> None:
    a = [_launch("a", 100 * block, 100 * block + 40, block) for block in (1, 2, 3)]
    b = [_launch("b", 86_400 + 100 * block, 86_440 + 100 * block, block) for block in (1, 2, 3)]
    assert paired_blocks(a, b, Occasions([*a, *b])) == []


def test_one_machine_is_one_host_name_or_one_boot() -> None:
    here, rebooted = _launch("a", 0, 1), _launch("b", 2, 3, boot_id="next")
    in_container = _launch("c", 4, 5, hostname="random")
    elsewhere = _launch("d", 6, 7, hostname="there", boot_id="other")
    launches = {one.engine: one for one in (here, rebooted, in_container, elsewhere)}
    engines = {name: EngineData(name, None, (one,), (), (), {}) for name, one in launches.items()}
    found = Measurements({"campaign": {}, "order": []}, engines).machines
    assert found == {("a", "w", 1): "here", ("b", "w", 1): "here", ("c", "w", 1): "here", ("d", "w", 1): "there"}


@pytest.mark.parametrize(
    ("said", "asked", "expected"),
    [
        ("cpu", "cpu", "cpu"),
        ("Cpu", "cpu", "cpu"),
        ("cuda", "cuda:1", "cuda:1"),
        ("Cuda(0)", "cuda:0", "cuda:0"),
        ("cpu", "cuda:0", "cpu"),
        ("cuda", None, "cuda"),
        ("Metal", "cpu", "metal"),
        (None, "cpu", "cpu"),
        (None, None, None),
    ],
)
def test_the_device_is_the_one_that_the_engine_names(said: str | None, asked: str | None, expected: str | None) -> None:
    load = None if said is None else {"device": said}
    assert device_of({"load": load, "device": asked}) == expected
