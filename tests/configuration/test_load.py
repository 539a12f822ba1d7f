"""What the keys of a load mean together, and what is said where they contradict each other."""

from __future__ import annotations

import copy

import pytest
import yaml

from benchmark_runner.configuration.files import Positions
from benchmark_runner.configuration.load import cell_count, levels, scheduled_seconds
from benchmark_runner.configuration.resolve import examine

SOUND = {
    "benchmark": {"output_dir": "results/x", "model_path": "models/m"},
    "engines": [{"name": "a", "binary_path": "bin/a"}],
}
CLOSED, OPEN = "mode: closed, concurrency: 2", "mode: open, requests_per_second: 3"


def examined(workload: str):
    return examine({**copy.deepcopy(SOUND), "workloads": [yaml.safe_load(workload)]})


def with_load(load: str, more: str = ""):
    return examined(f"{{name: w, {more} test_cases: [{{prompt_tokens: 9, max_tokens: 4, load: {{{load}}}}}]}}")


def messages(found) -> list[str]:
    return Positions([]).lines(found.problems)


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ("concurrency: 2", "load: key 'mode' is missing"),
        ("mode: close, concurrency: 2", "did you mean 'closed'?"),
        ("mode: [closed], concurrency: 2", 'load.mode: ["closed"] is not allowed; write one of closed, open'),
        ("mode: {closed: true}", "load.mode: "),
        ("mode: closed", "load: key 'concurrency' is missing; add it"),
        ("mode: open", "load: key 'requests_per_second' is missing; add it"),
        (
            "mode: closed, concurrency: 0",
            "load.concurrency: 0 is not allowed; write a whole number or a list, at least 1",
        ),
        (
            "mode: closed, concurrency: [4, 0]",
            "load.concurrency[1]: 0 is not allowed; write a whole number, at least 1",
        ),
        ("mode: closed, concurrency: []", "load.concurrency: [] is not allowed"),
        ("mode: closed, concurrency: [2, 4, 2]", "load.concurrency: [2, 4, 2] names something twice; name each once"),
        ("mode: closed, concurrency: 1.5", "load.concurrency: 1.5 is not allowed"),
        ("mode: open, requests_per_second: 0", "load.requests_per_second: 0 is not allowed; write a number or a list"),
        ("mode: open, requests_per_second: [1, -2]", "load.requests_per_second[1]: -2 is not allowed"),
        ("mode: open, requests_per_second: [1, 1.0]", "names something twice"),
        ("mode: open, requests_per_second: [0.25, 0.2501]", "two rates are 0.25 when rounded to 3 digits"),
        (f"{CLOSED}, requests: 5, duration_seconds: 5", "a level ends by requests or by duration_seconds; keep one"),
        (f"{CLOSED}, requests: 0", "load.requests: 0 is not allowed"),
        (f"{CLOSED}, warmup_requests: -1", "load.warmup_requests: -1 is not allowed; write a whole number, at least 0"),
        (f"{CLOSED}, timeout_seconds: 0", "load.timeout_seconds: 0 is not allowed"),
        (f"{CLOSED}, arrivals: poisson", "load.arrivals: arrivals belongs to mode open, and this load is closed"),
        (f"{CLOSED}, seed: 0", "load.seed: seed belongs to mode open"),
        (f"{OPEN}, concurrency: 8", "load.concurrency: concurrency belongs to mode closed, and this load is open"),
        (f"{OPEN}, arrivals: trace", "a trace brings its own times; leave the key out"),
        (f"{OPEN}, arrivals: trace", "arrivals: trace needs the key trace_file"),
        (f"{OPEN}, trace_file: x.txt", "trace_file is for arrivals: trace"),
        (f"{OPEN}, turns: 3", "load.turns: turns belongs to mode closed"),
        (f"{CLOSED}, turns: 1", "load.turns: 1 is not allowed; write a whole number, at least 2"),
        (f"{CLOSED}, think_seconds: 2", "load.think_seconds: it is the pause before the next turn of a conversation"),
        (f"{OPEN}, arrivals: gamma", "gamma needs the key burstiness"),
        (f"{OPEN}, burstiness: 0.5", "poisson arrivals have no burstiness to choose; write arrivals: gamma"),
        (f"{OPEN}, arrival: gamma", "unknown key 'arrival'; did you mean 'arrivals'?"),
    ],
)
def test_a_load_that_cannot_be_run_is_refused_in_words(load, expected):
    found = messages(with_load(load))
    assert any(expected in line for line in found), found


def test_a_distribution_that_ends_below_where_any_begins_is_refused_in_words():
    case = "{prompt_tokens: {distribution: uniform, max: -5}, max_tokens: 4"
    found = messages(examined(f"{{name: w, test_cases: [{case}, load: {{{CLOSED}}}}}]}}"))
    assert any("min 0 is more than max -5" in line for line in found), found


@pytest.mark.parametrize("key", ["iterations", "warmup_iterations"])
def test_iterations_beside_a_load_are_refused(key):
    (line,) = messages(with_load(CLOSED, more=f"{key}: 3,"))
    assert f"workloads[0].{key}: a workload under load counts requests: leave {key} out" in line


def test_a_workload_has_load_in_all_its_test_cases_or_in_none():
    case = "{prompt_tokens: 9, max_tokens: 4"
    found = messages(examined(f"{{name: w, test_cases: [{case}, load: {{{CLOSED}}}}}, {case}}}]}}"))
    assert len(found) == 1
    assert "workloads[0].test_cases[1]: this test case has no load and another one of its workload has" in found[0]


@pytest.mark.parametrize("load", [CLOSED, OPEN, f"{OPEN}, arrivals: gamma, burstiness: 0.5", f"{OPEN}, burstiness: 1"])
def test_a_sound_load_resolves_to_what_resolves_to_itself(load):
    found = with_load(load)
    assert messages(found) == []
    workload = found.config["workloads"][0]
    assert workload["test_cases"][0]["load"]["timeout_seconds"] == 120
    assert not {"iterations", "warmup_iterations"} & set(workload)
    assert found.config["analysis"]["slo"] == {
        "ttft_ms": 500, "tpot_ms": 100, "itl_p99_ms": None, "e2e_ms": None, "share": 0.9,
    }  # fmt: skip
    again = examine(found.config)
    assert (again.config, again.problems) == (found.config, [])


@pytest.mark.parametrize("more", ["", ", load: null"])
def test_without_load_nothing_is_filled_in_that_was_not_there_before(more):
    config = examined(f"{{name: w, test_cases: [{{prompt: Hi, max_tokens: 4{more}}}]}}").config
    assert "slo" not in config["analysis"]
    workload = config["workloads"][0]
    assert (workload["iterations"], workload["warmup_iterations"]) == (100, 2)
    assert not workload["test_cases"][0].get("load")


def test_limits_of_the_user_stand_beside_the_defaults_of_the_others():
    raw = with_load(CLOSED).config
    raw["analysis"]["slo"] = {"tpot_ms": None, "e2e_ms": 9000}
    assert examine(raw).config["analysis"]["slo"] == {
        "ttft_ms": 500, "tpot_ms": None, "itl_p99_ms": None, "e2e_ms": 9000, "share": 0.9,
    }  # fmt: skip
    raw["analysis"]["slo"] = {"share": 90}
    assert "90 % is 0.9" in messages(examine(raw))[0]


def test_each_value_of_a_list_is_a_level_with_a_name():
    timeout = {"timeout_seconds": 9}
    closed = levels({"mode": "closed", "concurrency": [1, 8], "requests": 5, **timeout})
    assert [name for name, _ in closed] == ["c1", "c8"]
    assert closed[1][1] == {
        "mode": "closed", "concurrency": 8, "requests": 8, "duration_seconds": None, "warmup_requests": 8, **timeout,
    }  # fmt: skip
    opened = levels({"mode": "open", "requests_per_second": [0.5, 2, 10.0], "duration_seconds": 20, **timeout})
    assert [name for name, _ in opened] == ["r0.5", "r2", "r10"]
    assert opened[0][1] == {
        "mode": "open", "requests_per_second": 0.5, "arrivals": "poisson", "burstiness": 1.0, "seed": 0,
        "requests": None, "duration_seconds": 20, "warmup_requests": 4, **timeout,
    }  # fmt: skip
    assert levels({"mode": "closed", "concurrency": 3, **timeout})[0][1]["requests"] == 33


def test_a_level_of_conversations_warms_up_and_measures_whole_ones():
    load = {"mode": "closed", "concurrency": [1, 3], "turns": 4, "requests": 13, "timeout_seconds": 9}
    (_, alone), (name, three) = levels(load)
    assert name == "c3"
    assert (alone["requests"], alone["warmup_requests"]) == (16, 4)
    assert (three["requests"], three["warmup_requests"], three["turns"], three["think_seconds"]) == (24, 12, 4, 0)


def test_turns_without_a_number_of_new_tokens_are_refused():
    found = messages(
        examined(f"{{name: w, test_cases: [{{prompt: Hi, max_tokens: 4, load: {{{CLOSED}, turns: 3}}}}]}}")
    )
    assert any("load.turns: a turn's new tokens are told by prompt_tokens" in line for line in found), found


def test_levels_count_as_test_cases():
    load = {"mode": "closed", "concurrency": [1, 2, 4], "timeout_seconds": 9}
    assert cell_count([{"load": load}, {"load": None}, {}]) == 5


def test_a_schedule_takes_its_time_and_an_engine_in_a_closed_loop_its_own():
    ((_, closed),) = levels({"mode": "closed", "concurrency": 8, "timeout_seconds": 9})
    ((_, rate),) = levels({"mode": "open", "requests_per_second": 2.5, "requests": 50, "timeout_seconds": 9})
    assert scheduled_seconds(closed) == 0
    talk = {"mode": "closed", "concurrency": 2, "turns": 4, "think_seconds": 3, "requests": 8, "timeout_seconds": 9}
    assert scheduled_seconds(levels(talk)[0][1]) == 3 * (8 + 8) / 2
    assert scheduled_seconds(rate) == pytest.approx(54 / 2.5)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (
            "prompt_tokens: {distribution: uniform, min: 16, max: 64}, max_tokens: 4",
            "is for requests under load: add load",
        ),
        ("prompt_tokens: 16, max_tokens: 4, shared_prefix_tokens: 8", "8 tokens are shared by requests under load"),
        (
            "prompt_tokens: {distribution: uniform, min: 16}, max_tokens: 4, load: L",
            "prompt_tokens: key 'max' is missing",
        ),
        (
            "prompt_tokens: {distribution: uniform, min: 16, max: 64, sd: 3}, max_tokens: 4, load: L",
            "prompt_tokens.sd: sd says nothing of a distribution uniform; leave it out",
        ),
        (
            "prompt_tokens: 16, max_tokens: {distribution: gamma, mean: 5, min: 1, max: 9}, load: L",
            "max_tokens: key 'sd' is missing, of which a distribution gamma is made",
        ),
        (
            "prompt_tokens: 16, max_tokens: {distribution: uniform, min: 9, max: 1}, load: L",
            "max_tokens.min: min 9 is more than max 1",
        ),
        (
            "prompt_tokens: 16, max_tokens: {distribution: gamma, mean: 50, sd: 5, min: 1, max: 9}, load: L",
            "max_tokens.mean: the mean lies outside min and max",
        ),
        (
            "prompt_tokens: 16, max_tokens: {distribution: quantiles, min: 1, max: 9}, load: L",
            "max_tokens: key 'quantiles' is missing",
        ),
        (
            "prompt_tokens: 16, max_tokens: {distribution: quantiles, quantiles: [3, 9, 5], min: 1, max: 9}, load: L",
            "max_tokens.quantiles: they go down",
        ),
        ("prompt_tokens: 16, max_tokens: {distribution: normal, min: 1, max: 9}, load: L", "did you mean 'lognormal'?"),
    ],
)
def test_lengths_that_cannot_be_drawn_are_refused_in_words(case, expected):
    found = messages(examined(f"{{name: w, test_cases: [{{{case.replace('L', f'{{{CLOSED}}}')}}}]}}"))
    assert any(expected in line for line in found), found
