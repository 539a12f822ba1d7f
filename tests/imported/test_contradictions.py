"""A file whose numbers contradict what it says of them itself: told by name, and judged for nobody."""

from __future__ import annotations

import copy
import json

import pytest

from benchmark_runner.imported.__main__ import main
from imported_case import PYPERF, read, whys, written

TIMES = [0.3, 0.32, 0.31]


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        (310.0, "its mean is 310 s where its single times have 0.31 s: one of them is in another unit"),
        (0.00031, "its mean is 0.00031 s where"),
        (-0.31, "its mean is -0.31, which is no measured number"),
        ("0.31", "its mean is '0.31', which is"),
        (0.29, None),
        (None, None),
    ],
)
def test_times_of_hyperfine_are_held_against_their_mean(tmp_path, mean, words):
    others = {"command": "b", "times": TIMES, "mean": 0.31}
    found = whys(read(tmp_path, {"results": [{"command": "a", "times": TIMES, "mean": mean}, others]}))
    assert found["b"] is None
    assert found["a"] is None if words is None else words in found["a"]


def with_run(**metadata):
    content = copy.deepcopy(PYPERF)
    content["benchmarks"][0]["runs"].append({"values": [0.002, 0.003], "metadata": metadata})
    return content


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"loops": 1024, "inner_loops": 10, "duration": 0.06}, "make 51.2 s of loops, its process took 0.06 s"),
        ({"loops": 1024, "inner_loops": 10, "duration": 52.5}, None),
        ({"loops": "many", "duration": 0.06}, None),
        ({"duration": 0}, None),
        ({"unit": "byte"}, "it is counted in 'second' and in 'byte'"),
        ({"unit": "second"}, None),
    ],
)
def test_values_of_pyperf_are_held_against_unit_and_time_of_their_process(tmp_path, metadata, words):
    found = whys(read(tmp_path, with_run(**metadata)))["sum"]
    assert found is None if words is None else words in found


def test_a_unit_of_the_whole_pyperf_file_contradicts_that_of_a_benchmark(tmp_path):
    content = copy.deepcopy(PYPERF) | {"metadata": {"unit": "byte"}}
    content["benchmarks"][0]["metadata"]["unit"] = "second"
    assert whys(read(tmp_path, content))["sum"] == "it is counted in 'second' and in 'byte'"


GO_PROCESS = "pkg: example.org/{0}\nBenchmarkRun-8  200000  {1} ns/op  3 B/op\nPASS\nok  \texample.org/{0}\t1.402s\n"


def test_a_go_package_whose_loops_take_longer_than_its_process_is_told_alone(tmp_path):
    file = read(tmp_path, GO_PROCESS.format("a", "5100000.0") + GO_PROCESS.format("b", "5100.0"))
    found = {key[1:]: sample.unusable for key, sample in file.samples.items()}
    words = "its package's loops make 1020 s, its process took 1.402 s: one is in another unit"
    assert found["example.org/a", "time_ms"] == words
    assert [found["example.org/a", "B/op"], found["example.org/b", "time_ms"]] == [None, None]


def test_a_go_line_of_no_loop_measured_nothing(tmp_path):
    assert "it ran no loop in the line" in whys(read(tmp_path, "BenchmarkA 0 5 ns/op\nBenchmarkB 3 5 ns/op\n"))["A"]


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"metadata": {"name": "lost"}, "runs": None}, "lost"),
        ({"metadata": {"name": "lost"}}, "lost"),
        ({"metadata": {"name": "lost"}, "runs": [None]}, "lost"),
        ({"metadata": ["lost"], "runs": []}, "benchmark 2"),
        (None, "benchmark 2"),
    ],
)
def test_a_benchmark_of_another_form_costs_itself_alone(tmp_path, entry, name):
    found = whys(read(tmp_path, PYPERF | {"benchmarks": [*PYPERF["benchmarks"], entry]}))
    assert found["sum"] is None
    assert "it is not as its tool writes it" in found[name]


def test_a_result_of_hyperfine_of_another_form_costs_itself_alone(tmp_path):
    results = [{"command": "a", "times": TIMES}, {"command": "b", "times": TIMES, "parameters": [1]}]
    found = whys(read(tmp_path, {"results": results}))
    assert found["a"] is None
    assert "it is not as its tool writes it" in found["b"]


def test_what_is_named_twice_is_compared_once(tmp_path):
    before, after = (
        written(tmp_path, {"results": [{"command": "a", "times": [time + shift for time in TIMES]}]}, f"{shift}")
        for shift in (0, 0.01)
    )
    flags = ["--before", str(before), "--after", str(after), "--out", str(tmp_path / "out")]
    assert main([*flags, "--pair", "a", "a", "--pair", "a", "a", "--metrics", "time_ms", "time_ms"]) == 0
    written_there = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [one["metric"] for one in written_there["comparisons"]] == ["time_ms"]
