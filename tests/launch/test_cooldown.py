from __future__ import annotations

from collections.abc import Callable

from benchmark_runner.launch.machine_lock import seconds_left, wait_until_cool


def test_the_first_launch_does_not_wait():
    assert seconds_left(10, None, now=1000) == 0


def test_the_time_since_the_last_end_counts():
    assert seconds_left(10, 997, now=1000) == 7
    assert seconds_left(10, 900, now=1000) == 0


def test_a_stamp_of_the_future_costs_one_full_cool_down():
    assert seconds_left(10, 5000, now=1000) == 10


def readings(*values: float | None) -> Callable[[], float | None]:
    left = list(values)
    return lambda: left.pop(0)


def test_a_hot_machine_is_waited_for():
    pauses: list[float] = []
    wait = wait_until_cool(80, readings(90, 85, 79), pauses.append)
    assert (wait.cool, wait.celsius, len(pauses)) == (True, 79, 2)


def test_the_wait_is_bounded():
    pauses: list[float] = []
    wait = wait_until_cool(80, lambda: 90.0, pauses.append, limit_seconds=5)
    assert (wait.cool, wait.celsius, sum(pauses)) == (False, 90, 5)


def test_without_limit_or_sensor_nothing_is_waited_for():
    assert wait_until_cool(None, readings(99), lambda _: None).cool
    assert wait_until_cool(80, readings(None), lambda _: None) == (None, True)
