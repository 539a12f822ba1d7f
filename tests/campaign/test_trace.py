"""A trace of the user's: what is read of it, and the window that a level replays."""

from __future__ import annotations

import copy

import pytest

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.campaign.trace import lengths_in, read_trace, window_of
from benchmark_runner.configuration.resolve import ConfigurationError
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.schemas import violations
from tiny_model import make_tiny_model

S = 1_000_000_000
LOAD = {
    "trace_start_seconds": 0, "trace_speed": 1, "warmup_requests": 1, "requests": 3, "duration_seconds": None,
}  # fmt: skip
EACH_SECOND = "timestamp,prompt_tokens,output_tokens\n" + "".join(f"{n},{20 + n},{1 + n}\n" for n in range(40))


def rows_of(tmp_path, text: str):
    file = tmp_path / "trace.csv"
    file.write_text(text)
    return read_trace(file)


def window(tmp_path, **changed):
    return window_of(rows_of(tmp_path, EACH_SECOND), {**LOAD, **changed})


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,prompt_tokens,output_tokens\n10,30,4\n11.25,40,5\n",
        "TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
        "2026-03-01 09:00:10.0000000,30,4\r\n2026-03-01 09:00:11.2500000,40,5",
        '\ufefftime,output_tokens,prompt_tokens,note\n10,4,30,one\u2028line\x0b\n11.25,5,40,"two\nlines"\n',
        "id,Output_Tokens,arrival_time,prompt_tokens\na,4,2026-03-01T09:00:10Z,30\n\n"
        "b,5,2026-03-01T10:00:11.25+01:00,40\n",
    ],
)
def test_columns_are_known_by_name_and_times_are_seconds_or_dates(tmp_path, text):
    first, second = rows_of(tmp_path, text)
    assert second.time_s - first.time_s == 1.25
    assert [(row.prompt_tokens, row.output_tokens) for row in (first, second)] == [(30, 4), (40, 5)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timestamp,prompt_tokens,output_tokens\n1,20,3\n2,x,3\n", "line 3: invalid literal for int"),
        ("timestamp,prompt_tokens,output_tokens\n1,20,3\n2,20,0\n", "line 3: 0 is no number of tokens, from 1 on"),
        ("timestamp,prompt_tokens,output_tokens\n1,20,3\n2,20\n", "line 3: it has 2 columns, fewer than the header"),
        ("timestamp,prompt_tokens,output_tokens\n5,20,3\n4,20,3\n", "line 3: its time goes back"),
        ("timestamp,prompt_tokens,output_tokens\nnan,20,3\n", "line 2: nan is no time"),
        ("timestamp\n1700000000000\n1700000000250\n", "line 2: 1700000000000 is no time in seconds"),
        ("0\n1\n1e300\n", "line 3: 1e300 is no time in seconds"),
        ("timestamp,prompt_tokens,output_tokens\nMonday,20,3\n", "line 2: Invalid isoformat string: 'Monday'"),
        ("when,prompt_tokens,output_tokens\n1,2,3\n", "line 1: the header is 'when,prompt_tokens,output_tokens', not"),
        ("timestamp,prompt_tokens\n1,2\n", "line 1: the header is 'timestamp,prompt_tokens', not"),
        ("timestamp\n4\n4\n", "no two different times"),
        ("time,timestamp\n1,1\n2,2\n", "line 1: the header 'time,timestamp' has two columns for one thing"),
        ("timestamp,prompt_tokens,output_tokens\n1,2_0,3\n", "line 2: '2_0' is no number"),
        ("1\n\u0662\n", "line 2: '\u0662' is no number"),
    ],
)
def test_a_file_that_cannot_be_replayed_is_refused_by_name_and_line(tmp_path, text, expected):
    with pytest.raises(BenchmarkError, match=r"trace\.csv' is no trace: ") as error:
        rows_of(tmp_path, text)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


def test_lines_are_those_of_the_file_also_behind_a_cell_of_several(tmp_path):
    text = 'time,note\n1,"two\nlines"\n2,\n'
    assert [row.line for row in rows_of(tmp_path, text)] == [3, 4]
    with pytest.raises(BenchmarkError, match="line 5: Invalid isoformat string"):
        rows_of(tmp_path, text + "x,\n")


def test_a_window_holds_warm_up_measured_requests_and_as_long_again_for_fillers(tmp_path):
    found = window(tmp_path)
    # Measured from 1 s to 3 s; fillers until 5 s, and the one that tells that those are over.
    assert found.arrivals_ns == [second * S for second in range(7)]
    assert found.rate == 1
    assert [row.prompt_tokens for row in found.rows] == [20, 21, 22, 23, 24, 25, 26]


def test_a_window_begins_where_it_is_told_and_runs_at_its_speed(tmp_path):
    found = window(tmp_path, trace_start_seconds=9.5, trace_speed=4)
    assert [row.line for row in found.rows][:2] == [12, 13]
    assert found.arrivals_ns[:4] == [0, S // 4, S // 2, 3 * S // 4]
    assert found.rate == 4


def test_a_window_by_time_counts_the_arrivals_in_it(tmp_path):
    found = window(tmp_path, requests=None, duration_seconds=5, trace_speed=2)
    assert found.rate == 2
    assert found.arrivals_ns[-1] == 11 * S  # half a second of warm-up, twice 5 s, one more


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"requests": 40}, "the trace has 40 requests from 0 s on, and the level takes 41"),
        ({"trace_start_seconds": 38}, "the trace has 2 requests from 38 s on, and the level takes 4"),
        ({"trace_start_seconds": 500}, "the trace has 0 requests from 500 s on"),
        ({"requests": None, "duration_seconds": 60}, "in 39 s at this speed; shorten duration_seconds"),
    ],
)
def test_a_trace_that_ends_before_its_window_is_refused(tmp_path, changed, expected):
    with pytest.raises(BenchmarkError, match=expected):
        window(tmp_path, **changed)


def test_lengths_are_those_of_the_window_cut_where_that_is_asked_for(tmp_path):
    found = window(tmp_path)
    assert lengths_in(found, "output_tokens", {"distribution": "trace"})["lengths"] == [1, 2, 3, 4, 5, 6, 7]
    cut = lengths_in(found, "prompt_tokens", {"distribution": "trace", "min": 22, "max": 25})
    assert cut == {"distribution": "trace", "min": 22, "max": 25, "lengths": [22, 22, 22, 23, 24, 25, 25], "cut": 3}
    times = window_of(rows_of(tmp_path, "0\n1\n2\n3\n4\n"), LOAD)
    with pytest.raises(BenchmarkError, match="times alone; give it the columns"):
        lengths_in(times, "prompt_tokens", {"distribution": "trace"})


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_tiny_model(tmp_path / "models" / "m", max_position_embeddings=96)
    (tmp_path / "mine").write_text("#!/bin/sh\n")
    (tmp_path / "t.csv").write_text(EACH_SECOND)
    load = {"mode": "open", "arrivals": "trace", "trace_file": "t.csv", "requests": 3, "warmup_requests": 1}
    traced = {"distribution": "trace"}
    case = {"prompt_tokens": {**traced}, "max_tokens": {**traced}, "load": load}
    return {
        "benchmark": {"output_dir": "r", "model_path": "models/m", "launches": 2, "allow_underpowered": True},
        "engines": [{"name": "mine", "binary_path": "mine"}],
        "workloads": [{"name": "replayed", "test_cases": [copy.deepcopy(case)]}],
    }


@pytest.fixture
def load(repository):
    return lambda config: load_campaign(config, [], repository / "engines")


def test_the_plan_holds_the_window_so_that_no_job_needs_the_file(config, load, tmp_path):
    config["workloads"][0]["test_cases"][0]["load"]["trace_speed"] = [1, 2.5]
    campaign = load(config)
    plan = campaign.plan()
    assert violations("plan", plan) == []
    slow, fast = plan["workloads"][0]["cases"]
    assert (slow["name"], fast["name"]) == ("x1", "x2.5")
    assert fast["load"]["arrivals_ns"] == [at // 5 * 2 for at in slow["load"]["arrivals_ns"]]
    assert slow["prompt_lengths"]["lengths"] == [20, 21, 22, 23, 24, 25, 26]
    assert (slow["prompt"]["count"], slow["max_new_tokens"]) == (26, 7)
    (tmp_path / "t.csv").write_text(EACH_SECOND.replace("0,20,1", "0,20,2"))
    assert load(config).launches[0].identity != campaign.launches[0].identity


def test_lengths_beyond_the_context_are_told_before_anything_starts(config, load):
    case = config["workloads"][0]["test_cases"][0]
    case["prompt_tokens"] |= {"min": 95, "max": 95}
    words = (
        r"max_tokens: the longest prompt and answer of the trace's window, 95 and 7 tokens, are more than the model's"
    )
    with pytest.raises(ConfigurationError, match=words):
        load(config)


def test_what_is_cut_and_times_that_are_rounded_are_told(config, load, tmp_path):
    assert [line for line in load(config).notices() if "replayed" in line] == []
    config["workloads"][0]["test_cases"][0]["prompt_tokens"]["max"] = 24
    header, *rows = EACH_SECOND.splitlines()
    rounded = [f"{n // 3 * 3},{rows[n].partition(',')[2]}" for n in range(len(rows))]
    (tmp_path / "t.csv").write_text("\n".join([header, *rounded]))
    (notice,) = [line for line in load(config).notices() if "replayed" in line]
    assert (
        "note: replayed, trace: 9 of 10 requests have the very time of another: the file's times are rounded" in notice
    )
    assert "bursts of up to 3; 5 of 10 prompts are cut at min or max" in notice


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"arrivals": "poisson", "requests_per_second": 2}, "trace_file is for arrivals: trace"),
        ({"arrivals": "poisson", "requests_per_second": 2}, "prompt_tokens of a trace needs load with arrivals: trace"),
        ({"trace_speed": 0}, "load.trace_speed: 0 is not allowed"),
        ({"trace_speed": [1, 1.0001]}, "two speeds are 1 when rounded"),
        ({"requests_per_second": 2}, "write trace_speed: 2 for twice as many a second"),
    ],
)
def test_keys_that_say_nothing_of_a_trace_are_refused_in_words(config, load, changed, expected):
    config["workloads"][0]["test_cases"][0]["load"] |= changed
    with pytest.raises(ConfigurationError, match=expected):
        load(config)


def test_two_speeds_at_which_a_trace_brings_as_many_a_second_are_refused(config, load, tmp_path):
    # From 1 s on two requests come within 2 s, and no more within 5 s, which last 2 s at the other speed.
    times = [0, 1, 1.5, 9, 20, 21, 22]
    (tmp_path / "t.csv").write_text("timestamp,prompt_tokens,output_tokens\n" + "".join(f"{n},20,2\n" for n in times))
    asked = config["workloads"][0]["test_cases"][0]["load"]
    asked |= {"trace_speed": [1, 2.5], "duration_seconds": 2}
    del asked["requests"]
    with pytest.raises(ConfigurationError, match=r"requests/s both at x1 and at x2\.5; leave one of them out"):
        load(config)
