"""Looks: counted by what was looked at, and never worth more than alpha together."""

from __future__ import annotations

import math
import os
from datetime import UTC, datetime, timedelta

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import write_json
from benchmark_runner.statistics.inputs import MeasuredLaunch
from benchmark_runner.statistics.looks import (
    FIRST_LOOK,
    NO_HISTORY,
    History,
    Looks,
    look_at,
    looks_until_decided,
    read_history,
)
from benchmark_runner.statistics.planned import PlannedLook
from benchmark_runner.statistics.power import share_of_alpha

START = datetime(2026, 1, 5, tzinfo=UTC)


def launches(
    count: int, *, engine: str = "fast", identity: str = "abc", status: str = "ok", day: int = 0
) -> list[MeasuredLaunch]:
    begun = [START + timedelta(days=day, minutes=block) for block in range(count)]
    record = {"identity": identity}
    return [
        MeasuredLaunch(engine, "chat", block, block, status, "host", "boot", start, start, record)
        for block, start in enumerate(begun, start=1)
    ]


def test_all_looks_together_spend_alpha_and_no_more() -> None:
    shares = [share_of_alpha(look) for look in range(1, 60)]
    assert shares[:4] == pytest.approx([0.8, 0.1, 0.05, 0.025])
    assert math.fsum(shares) == pytest.approx(1.0, abs=1e-12) and math.fsum(shares) <= 1.0 + 1e-12


def test_the_same_launches_are_the_same_look_however_often_they_are_analysed() -> None:
    first, history = look_at(launches(5), 4)
    again, unchanged = look_at(launches(5), 4, history)
    assert first.at("fast", "slow", "chat") == again.at("fast", "slow", "chat") == 1
    assert unchanged == history


def test_more_launches_are_another_look_and_going_back_is_the_earlier_one() -> None:
    _, history = look_at(launches(5), 4)
    second, history = look_at(launches(8), 4, history)
    assert (second.at("fast", "slow", "chat"), second.last) == (2, 2)
    third, history = look_at(launches(9), 4, history)
    assert third.last == 3
    back, _ = look_at(launches(5), 4, history)
    assert back.last == 1


def test_launches_that_were_measured_anew_are_another_look() -> None:
    _, history = look_at(launches(5), 4)
    assert look_at(launches(5, day=1), 4, history)[0].last == 2


def test_a_look_from_which_no_verdict_can_come_spends_nothing() -> None:
    _, history = look_at(launches(3), 4)
    assert history["looks"] == {}
    assert look_at(launches(6), 4, history)[0].last == 1


def test_failed_launches_are_not_looked_at() -> None:
    _, history = look_at([*launches(5), *launches(7, status="failed")[5:]], 4)
    assert look_at(launches(5), 4, history)[0].last == 1


def test_a_changed_measurement_starts_anew() -> None:
    _, history = look_at(launches(5), 4)
    assert look_at(launches(8, identity="def", day=2), 4, history)[0].last == 1


def test_a_pair_has_the_look_of_the_side_that_was_looked_at_more_often() -> None:
    _, history = look_at(launches(5), 4)
    looks, _ = look_at([*launches(8), *launches(8, engine="new")], 4, history)
    assert looks.at("fast", "new", "chat") == 2 and looks.at("new", "third", "chat") == 1


def test_nothing_seen_is_the_first_look() -> None:
    assert FIRST_LOOK.at("a", "b", "chat") == 1 and Looks({}).last == 1


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "null", "\x00" * 9, "[" * 100_000, '{"looks": {}}', '{"schema_version": 1, "looks"'),
        '{"schema_version": 1, "looks": {"a/b.c": {}}}',
        '{"schema_version": 1, "looks": {"a/b.c": [{"launches": "3", "fingerprint": "f"}]}}',
    ],
    ids=range(9),
)
def test_a_history_of_another_shape_is_refused_by_name_with_a_remedy_that_forgets_no_look(tmp_path, text):
    file = tmp_path / "looks.json"
    file.write_text(text)
    with pytest.raises(BenchmarkError) as refused:
        read_history(file)
    assert str(file) in str(refused.value) and "delete" not in str(refused.value)
    assert file.read_text() == text


def test_a_history_that_was_written_is_read_and_none_is_none(tmp_path):
    file = tmp_path / "looks.json"
    assert read_history(file) == NO_HISTORY
    history = {"schema_version": 1, "looks": {"fast/w.0123": [{"launches": 4, "fingerprint": "ab"}]}}
    write_json(file, history)
    assert read_history(file) == history


def test_a_pipe_in_place_of_a_history_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "looks.json")
    with pytest.raises(BenchmarkError, match="looked at"):
        read_history(tmp_path / "looks.json")


PLANNED = (PlannedLook(5, 0.2), PlannedLook(10, 0.6))


def shares_of(blocks: int, history: History = NO_HISTORY, *, day: int = 0) -> tuple[list[float], History]:
    """What each look at so many launches may spend, and the history with them."""
    reached: list[PlannedLook | None] = [look for look in PLANNED if look.launches <= blocks]
    if blocks not in (5, 10):
        reached.append(None)
    looks, history = looks_until_decided(launches(blocks, day=day), reached, PLANNED, history)
    return [look.share("fast", "slow", "chat") for look in looks], history


def test_planned_looks_spend_their_shares_however_often_they_are_analysed() -> None:
    first, history = shares_of(5)
    second, after = shares_of(10, history)
    again, unchanged = shares_of(10, after)
    assert first == pytest.approx([0.2]) and second == again == pytest.approx([0.2, 0.6])
    assert unchanged == after


def test_a_look_between_the_planned_ones_spends_of_the_part_that_is_kept_for_it() -> None:
    between, history = shares_of(7)
    assert between == pytest.approx([0.2, share_of_alpha(2)])
    assert shares_of(10, history)[0] == pytest.approx([0.2, 0.6])
    assert shares_of(8, history)[0][1] == pytest.approx(share_of_alpha(3))


def test_other_launches_up_to_the_same_block_are_no_planned_look_any_more() -> None:
    _, history = shares_of(5)
    assert shares_of(5, history, day=3)[0] == pytest.approx([share_of_alpha(2)])


def test_who_looked_before_the_plan_has_only_the_rest() -> None:
    _, history = look_at(launches(4), 4)
    assert shares_of(5, history)[0] == pytest.approx([share_of_alpha(2)])


def test_going_on_with_a_fixed_number_after_planned_looks_spends_no_more_than_alpha() -> None:
    planned, history = shares_of(10)
    fixed, _ = look_at(launches(14), 4, history)
    assert sum(planned) + fixed.share("fast", "slow", "chat") <= 1.0


def test_a_pair_may_spend_what_its_side_with_less_may() -> None:
    looks, _ = looks_until_decided([*launches(10), *launches(5, engine="slow")], PLANNED, PLANNED, NO_HISTORY)
    assert [look.share("fast", "slow", "chat") for look in looks] == pytest.approx([0.2, 0.2])


def test_a_plan_of_more_launches_goes_on_with_what_the_one_before_has_left() -> None:
    _, history = shares_of(5)
    longer = (PlannedLook(5, 0.05), PlannedLook(10, 0.15), PlannedLook(20, 0.6))
    looks, _ = looks_until_decided(launches(20), longer, longer, history)
    shares = [look.share("fast", "slow", "chat") for look in looks]
    assert shares == pytest.approx([0.2, share_of_alpha(2), 0.6]) and sum(shares) <= 1.0
