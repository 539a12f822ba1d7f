"""What each reader takes from a file and what it refuses."""

from __future__ import annotations

import json

import pytest

from benchmark_runner.comparison.gate import main as gate
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.imported.__main__ import COPIED, main
from benchmark_runner.imported.files import read_file, read_files
from imported_case import GO, PYPERF, go, read, whys, written


def launches(file, *key):
    return [values.tolist() for values in file.samples[key].launches]


def test_each_run_of_pyperf_with_values_is_a_launch(tmp_path):
    file = read(tmp_path, PYPERF)
    assert launches(file, "sum", None, "time_ms") == [[1.0, 3.0, 2.0], [4.0]]
    assert file.samples["sum", None, "time_ms"].medians.tolist() == [2.0, 4.0]
    assert file.value("hostname") == "one"


def test_metadata_of_any_kind_are_shown_as_text(tmp_path):
    file = written(tmp_path, {**PYPERF, "metadata": {"unit": "second", "hostname": ["a", "b"]}})
    assert read_files([file], repetitions_are_launches=False).value("hostname") == '["a", "b"]'


@pytest.mark.parametrize("statement", [["sum(x)"], {"a": 1}, 5])
def test_a_statement_of_any_kind_is_compared_as_text(tmp_path, statement):
    content = json.loads(json.dumps(PYPERF))
    content["benchmarks"][0]["metadata"]["timeit_stmt"] = statement
    file = tmp_path / "before.json"
    file.write_text(json.dumps(content))
    read = read_files([file], repetitions_are_launches=False)
    assert {one.statement for one in read.samples.values()} == {str(statement)}


def test_bytes_of_pyperf_are_memory(tmp_path):
    file = read(tmp_path, {**PYPERF, "metadata": {"unit": "byte"}})
    assert ("sum", None, "memory_bytes") in file.samples


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({**PYPERF, "version": 6}, "version 6 of pyperf's format is not known, '1.0' is"),
        ({"rows": []}, "of no known format; known are pyperf's JSON"),
        ("no benchmarks here\n", "of no known format"),
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("\ufeff \n", "it is empty"),
        ({"results": []}, "it holds no results"),
        ({**PYPERF, "benchmarks": [{"runs": 3, "metadata": {"name": "a"}}]}, "is not as its tool writes it"),
        ({"results": [{"command": "a", "times": [0.1], "exit_codes": 3}]}, "is not as its tool writes it"),
        (json.dumps(PYPERF)[:-9], "is no whole text or JSON"),
        ('{"version": "1.0", "benchmarks": [], "benchmarks": []}', "the key 'benchmarks' stands twice"),
        ("[" * 100_000, "is no whole text or JSON"),
        ('{"results": [{"command": "half \\ud800", "times": [1]}]}', "is no whole text or JSON"),
        ("BenchmarkA 1 1 ns/op\n\0", "zero bytes"),
        ("note: a\nBenchmarkA 1 1 ns/op\nnote: b\nBenchmarkA 1 2 ns/op\n", "note becomes 'b' between results"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path, content, words):
    with pytest.raises(BenchmarkError) as refused:
        read(tmp_path, content)
    assert words in str(refused.value)
    assert str(tmp_path / "file") in str(refused.value)


def test_each_time_of_hyperfine_is_a_launch_and_its_memory_too(tmp_path):
    result = {"command": "a", "times": [0.5, 0.25], "memory_usage_byte": [10, 20], "exit_codes": [0, 0]}
    file = read(tmp_path, {"results": [result]})
    assert launches(file, "a", None, "time_ms") == [[500.0], [250.0]]
    assert launches(file, "a", None, "memory_bytes") == [[10.0], [20.0]]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"command": "a", "mean": 0.5}, "no single times of a, only their mean"),
        (
            {"command": "a", "times": [0.5, 0.6, 0.4], "exit_codes": [0, 1, 1]},
            "2 of 3 runs of a ended with a status",
        ),
        ({"command": "a", "times": [0.5], "exit_codes": [None]}, "1 of 1 runs of a ended with a status"),
    ],
)
def test_a_command_that_failed_or_has_no_times_is_not_judged(tmp_path, result, words):
    sample = read(tmp_path, {"results": [result]}).samples["a", None, "time_ms"]
    assert words in sample.unusable


def test_the_lines_of_a_go_file_are_repetitions_of_one_launch(tmp_path):
    file = read(tmp_path, GO)
    assert launches(file, "Sum-8", "example.org/a", "time_ms") == [[0.002, 0.001]]
    assert launches(file, "Sum-8", "example.org/b", "time_ms") == [[0.005]]
    assert file.samples["Sum-8", "example.org/a", "time_ms"].one_process == 2
    assert file.value("cpu") == "Some 9000"
    assert file.facts["cpu"].consequence == "other_machine"


def test_the_lines_are_launches_where_the_user_says_so(tmp_path):
    file = read(tmp_path, GO, repetitions_are_launches=True)
    assert launches(file, "Sum-8", "example.org/a", "time_ms") == [[0.002], [0.001]]
    assert file.samples["Sum-8", "example.org/a", "time_ms"].one_process is None


@pytest.mark.parametrize(
    ("unit", "better"), [("B/op", "lower"), ("allocs/op", "lower"), ("MB/s", "higher"), ("hits", "higher")]
)
def test_the_better_direction_is_that_of_the_unit_or_of_the_file(tmp_path, unit, better):
    sample = read(tmp_path, GO).samples["Sum-8", "example.org/a", unit]
    assert (sample.metric.better, sample.unusable) == (better, None)


def test_several_files_of_a_side_are_further_launches(tmp_path):
    texts = {time: f"BenchmarkA 1 {time} ns/op\n" * 2 for time in (10, 30)}
    files = [written(tmp_path, text, str(time)) for time, text in texts.items()]
    together = read_files(files, repetitions_are_launches=False)
    sample = together.samples["A", None, "time_ms"]
    assert [values.tolist() for values in sample.launches] == [[1e-5, 1e-5], [3e-5, 3e-5]]
    assert sample.one_process is None


def test_names_that_a_file_gives_twice_are_judged_for_neither(tmp_path):
    twice = {**PYPERF, "benchmarks": PYPERF["benchmarks"] * 2}
    sample = read(tmp_path, twice).samples["sum", None, "time_ms"]
    assert (sample.launches, "several results" in sample.unusable) == ((), True)


def test_runs_of_one_command_are_told_apart_by_their_parameters(tmp_path):
    results = [
        {"command": "load", "times": [0.25], "parameters": {"files": files, "mode": "cold"}} for files in ("1", "9")
    ]
    file = read(tmp_path, {"results": results})
    assert file.benchmarks == ["load (files=1, mode=cold)", "load (files=9, mode=cold)"]


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ("[1.0, NaN]", "nan"),
        ("[Infinity]", "inf"),
        ("[1e999]", "inf"),
        ('["1"]', "'1'"),
        ("[-1]", "-1"),
        ("[5e-324]", "5e-324"),
        (f"[1{'0' * 400}]", f"1{'0' * 17}...{'0' * 19}"),
    ],
)
def test_what_is_no_measured_number_costs_its_own_benchmark(tmp_path, values, shown):
    sound = json.dumps({"command": "b", "times": [0.5]})
    path = written(tmp_path, f'{{"results": [{{"command": "a", "times": {values}}}, {sound}]}}')
    file = read_file(path, repetitions_are_launches=False)
    broken, other = (file.samples[name, None, "time_ms"] for name in "ab")
    assert broken.unusable == f"{shown} among its values is no measured number"
    assert (broken.launches, other.unusable) == ((), None)


@pytest.mark.parametrize("values", [None, 0, {}, "1", {"1": 1}])
def test_a_run_whose_values_are_no_list_is_told_and_not_left_out(tmp_path, values):
    runs = [*PYPERF["benchmarks"][0]["runs"], {"values": values}]
    file = read(tmp_path, {**PYPERF, "benchmarks": [{"metadata": {"name": "sum"}, "runs": runs}]})
    assert whys(file)["sum"] == f"{values!r} is no list of measured numbers"


def test_a_unit_without_a_direction_or_a_benchmark_without_a_name_costs_itself_alone(tmp_path):
    runs = [{"values": [5, 6]}]
    counted = {"metadata": {"name": "lines", "unit": "integer"}, "runs": runs}
    file = read(tmp_path, {**PYPERF, "benchmarks": [*PYPERF["benchmarks"], counted, {"runs": runs}]})
    assert file.samples["sum", None, "time_ms"].unusable is None
    assert "neither direction" in file.samples["lines", None, "integer"].unusable
    assert "no name" in file.samples["benchmark 3", None, "time_ms"].unusable


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"results": [{"command": " ", "times": [0.5]}]}, "result 1"),
        ({"results": [{"command": None, "times": [0.5]}]}, "result 1"),
        ({**PYPERF, "benchmarks": [{"metadata": {"name": ""}, "runs": [{"values": [1]}]}]}, "benchmark 1"),
    ],
)
def test_a_result_without_a_name_is_told_and_not_judged(tmp_path, content, name):
    assert "it has no name" in whys(read(tmp_path, content))[name]


@pytest.mark.parametrize("number", ["1_000", "\u0661\u0662", "0x1p4", "-1"])
def test_numbers_that_go_does_not_print_are_none(tmp_path, number):
    file = read(tmp_path, f"BenchmarkA-4 10 {number} ns/op\n")
    assert f"{number!r} is no measured number" in whys(file)["A-4"]


def test_a_failed_benchmark_of_go_costs_itself_and_tells_the_package(tmp_path):
    lines = "BenchmarkGood/a-4  10  5 ns/op\nBenchmarkBad/b-4  10  5 ns/op\n"
    after = "--- FAIL: BenchmarkBad/b\n    x_test.go:3: wrong\n--- FAIL: BenchmarkNone\nFAIL\nexit status 1\n"
    file = read(tmp_path, "pkg: mod/x\n" + lines + after)
    assert whys(file) == {"Good/a-4": None, "Bad/b-4": "the file says: --- FAIL: BenchmarkBad/b"}
    assert file.failed == {
        ("None", "mod/x"): "the file says: --- FAIL: BenchmarkNone",
        ("mod/x", None): "the file says: FAIL",
    }


@pytest.mark.parametrize(
    "words",
    ["panic: runtime error: index", "fatal error: all goroutines are asleep", "signal: killed", "SIGQUIT: quit"],
)
def test_a_go_program_that_died_is_told_and_no_change_of_configuration(tmp_path, words):
    file = read(tmp_path, f"BenchmarkA-4  10  5 ns/op\nBenchmarkB-4 \t\n{words}\n")
    assert file.failed == {
        ("B-4", None): "it began and its values are not in the file",
        ("the test run", None): f"the file says: {words}",
    }
    assert list(file.facts) == []


def test_other_output_between_name_and_values_of_go_loses_nothing(tmp_path):
    text = "BenchmarkA\nBenchmarkA-4 \t  loading\nnot yet\n     100\t  7 ns/op\nBenchmarkA-4 \t 100\t  9 ns/op\nPASS\n"
    file = read(tmp_path, text)
    assert launches(file, "A-4", None, "time_ms") == [[7e-6, 9e-6]]
    assert file.failed == {}


@pytest.mark.parametrize(
    ("whole", "tail", "words"),
    [
        (3, "BenchmarkB-4  10  5", "it began and its values are not in the file"),
        (3, "BenchmarkB-4", "it began and its values are not in the file"),
        (3, "BenchmarkB-4  10  5 ns/o", "its 4 lines tell 3 values of it"),
        (3, "BenchmarkB-4  10  5 ns/op  7 ns/op", "its 4 lines tell 5 values of it"),
        (2, "", "the file ends in the midst of it: 2 of 3 lines"),
    ],
)
def test_a_go_file_that_was_cut_short_costs_the_benchmark_at_its_end(tmp_path, whole, tail, words):
    text = "BenchmarkA-4  10  5 ns/op\n" * 3 + "BenchmarkB-4  10  5 ns/op\n" * whole
    assert whys(read(tmp_path, text + tail)) == {"A-4": None, "B-4": words}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("BenchmarkA-4 \t 10\t 5 ns/op\t 7", None),
        ("BenchmarkA-4 \t", None),
        ("  10\t 5 ns/op", "values without a name"),
    ],
)
def test_a_broken_line_amid_others_of_go_is_not_dropped(tmp_path, line, name):
    file = read(tmp_path, f"BenchmarkA-4 \t 10\t 5 ns/op\n{line}\nBenchmarkA-4 \t 10\t 5 ns/op\nPASS\n")
    assert [one for one, _ in file.failed] == ([name] if name else [])
    assert (whys(file)["A-4"] is None) == bool(name)


def test_a_value_of_go_that_is_no_number_costs_its_unit_alone(tmp_path):
    file = read(tmp_path, "BenchmarkA-4  10  5 ns/op  +Inf MB/s  x B/op\n" * 2)
    assert file.samples["A-4", None, "time_ms"].unusable is None
    assert "'+Inf' is no measured number" in file.samples["A-4", None, "MB/s"].unusable
    assert "'x' is no measured number" in file.samples["A-4", None, "B/op"].unusable


def outcome(tmp_path, before, after, *options):
    """(status of the gate, reasons) of two texts."""
    paths = [str(written(tmp_path, text, name)) for text, name in ((before, "old"), (after, "new"))]
    out = tmp_path / "out"
    assert main(["--before", paths[0], "--after", paths[1], "--out", str(out), *options]) == 0
    document = json.loads((out / "comparison.json").read_text())
    return gate([str(out / "comparison.json")]), {one["engine"]: one["reason"] for one in document["comparisons"]}


LINES = ["--repetitions-are-launches"]


def test_a_copied_file_on_both_sides_passes_no_gate_but_two_names_of_it_may_be_compared(tmp_path):
    text = go("A", 100) + go("B", 100.002)
    status, reasons = outcome(tmp_path, text, text, *LINES)
    assert (status, set(reasons.values())) == (2, {COPIED})
    assert outcome(tmp_path, text, text, *LINES, "--pair", "A-4", "B-4")[0] == 0


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        (go("A", 100), go("A", 100.003) + "FAIL\tmod/x\t1s\n", "mod/x"),
        (go("A", 100), go("A", 100.003) + "BenchmarkNew-4 \tpanic: no\n", "New-4"),
        (go("A", 100) + "--- FAIL: BenchmarkOld\n", go("A", 100.003), "Old"),
        (go("A", 100) + go("Gone", 5, unit="rows"), go("A", 100.003), "Gone-4"),
        (go("A", 100) + go("Gone", 5), go("A", 100.003), "Gone-4"),
    ],
)
def test_no_gate_is_passed_where_something_failed_or_vanished(tmp_path, before, after, name):
    sound = outcome(tmp_path, go("A", 100), go("A", 100.003), *LINES)
    assert sound == (0, {"A-4": None})
    status, reasons = outcome(tmp_path, before, after, *LINES)
    assert status == 2
    assert reasons["A-4"] is None and reasons[name]


def test_what_was_run_must_be_the_same(tmp_path):
    other = json.loads(json.dumps(PYPERF))
    other["benchmarks"][0]["metadata"]["timeit_stmt"] = "sum(y)"
    before, after = written(tmp_path, PYPERF, "a"), written(tmp_path, other, "b")
    assert main(["--before", str(before), "--after", str(after), "--out", str(tmp_path)]) == 0
    document = json.loads((tmp_path / "comparison.json").read_text())
    assert [one["reason"] for one in document["comparisons"]] == ["what was run differs"]
    assert document["differences"][0]["consequence"] == "not_comparable"


def test_an_unknown_name_or_metric_is_refused(tmp_path):
    file = str(written(tmp_path, PYPERF))
    sides = ["--before", file, "--after", file, "--out", str(tmp_path)]
    with pytest.raises(BenchmarkError, match="--pair: 'max' is not in the file after; it has sum"):
        main([*sides, "--pair", "sum", "max"])
    with pytest.raises(BenchmarkError, match="--metrics cycles: the files have time_ms"):
        main([*sides, "--metrics", "cycles"])
