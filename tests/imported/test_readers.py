"""What each reader takes from a file and what it refuses."""

from __future__ import annotations

import json

import pytest

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.imported.__main__ import main
from benchmark_runner.imported.files import read_file, read_files

PYPERF = {
    "version": "1.0",
    "metadata": {"unit": "second", "hostname": "one"},
    "benchmarks": [
        {
            "metadata": {"name": "sum", "timeit_stmt": "sum(x)"},
            "runs": [{"warmups": [[1, 0.5]]}, {"values": [0.001, 0.003, 0.002]}, {"values": [0.004]}],
        }
    ],
}
GO = """\
goos: linux
cpu: Some 9000
pkg: example.org/a
BenchmarkSum-8   100   2000 ns/op   16 B/op   1 allocs/op   3.5 MB/s   7 hits
BenchmarkSum-8   100   1000 ns/op   16 B/op   1 allocs/op   3.5 MB/s   9 hits
Unit hits better=higher
pkg: example.org/b
BenchmarkSum-8   100   5000 ns/op
PASS
"""


def written(tmp_path, content, name: str = "file"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(tmp_path, content, **options):
    return read_file(written(tmp_path, content), **{"repetitions_are_launches": False, **options})


def launches(file, *key):
    return [values.tolist() for values in file.samples[key].launches]


def test_each_run_of_pyperf_with_values_is_a_launch(tmp_path):
    file = read(tmp_path, PYPERF)
    assert launches(file, "sum", None, "time_ms") == [[1.0, 3.0, 2.0], [4.0]]
    assert file.samples["sum", None, "time_ms"].medians.tolist() == [2.0, 4.0]
    assert file.value("hostname") == "one"


def test_bytes_of_pyperf_are_memory(tmp_path):
    file = read(tmp_path, {**PYPERF, "metadata": {"unit": "byte"}})
    assert ("sum", None, "memory_bytes") in file.samples


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({**PYPERF, "version": 6}, "version 6 of pyperf's format is not known, '1.0' is"),
        ({**PYPERF, "metadata": {"unit": "integer"}}, "counted in 'integer'"),
        ({**PYPERF, "benchmarks": [{"runs": []}]}, "a benchmark has no name"),
        ({"rows": []}, "of no known format; known are pyperf's JSON"),
        ("no benchmarks here\n", "of no known format"),
        ("BenchmarkA 1 x ns/op\n", "'x' is no number in the line 'BenchmarkA 1 x ns/op'"),
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


def test_files_of_two_tools_are_not_one_side(tmp_path):
    files = [written(tmp_path, PYPERF, "a"), written(tmp_path, GO, "b")]
    with pytest.raises(BenchmarkError, match="come from pyperf and Go benchmark; give files of one tool"):
        read_files(files, repetitions_are_launches=False)


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
