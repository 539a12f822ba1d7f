"""Samples that nobody here made: our answer beside that of the tool that published them.

Sources, commits and licences: tests/imported/published/README.md.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark_runner.imported.__main__ import main
from benchmark_runner.imported.files import read_file

PUBLISHED = Path(__file__).parent / "published"
LIST_1, LIST_2, LIST_3 = "[1]*1000", "[1,2]*1000", "[1,2,3]*1000"


@pytest.fixture
def compare(tmp_path):
    """Compares two files of the given content or name; returns comparison.json by benchmark."""

    def compared(before: str, after: str, *flags: str):
        paths = []
        for word, content in (("before", before), ("after", after)):
            path = PUBLISHED / content if "\n" not in content and (PUBLISHED / content).is_file() else tmp_path / word
            if path.parent != PUBLISHED:
                path.write_text(content)
            paths.append(str(path))
        assert main(["--before", paths[0], "--after", paths[1], "--out", str(tmp_path), *flags]) == 0
        document = json.loads((tmp_path / "comparison.json").read_text())
        return document, {one["engine"]: one for one in document["comparisons"]}

    return compared


@pytest.mark.parametrize(
    ("version", "printed"),
    [
        ("36", {LIST_1: "2.13 us +- 0.06 us", LIST_2: "3.70 us +- 0.05 us", LIST_3: "4.61 us +- 0.13 us"}),
        ("37", {LIST_1: "2.09 us +- 0.04 us", LIST_2: "5.28 us +- 0.09 us", LIST_3: "6.05 us +- 0.11 us"}),
        ("38", {LIST_2: "3.18 us +- 0.08 us", LIST_3: "4.17 us +- 0.11 us"}),
    ],
)
def test_pyperf_prints_the_mean_and_deviation_of_the_values_that_are_imported(version, printed):
    samples = read_file(PUBLISHED / f"mult_list_py{version}.json", repetitions_are_launches=False).samples
    for name, words in printed.items():
        values_us = 1000 * np.concatenate(samples[name, None, "time_ms"].launches)
        assert len(values_us) == 60
        assert f"{np.mean(values_us):.2f} us +- {np.std(values_us, ddof=1):.2f} us" == words


@pytest.mark.parametrize(
    ("after", "benchmark", "pyperf_says", "verdict"),
    [
        ("37", LIST_1, "1.02x faster", "no_regression"),
        ("37", LIST_2, "1.42x slower", "regression"),
        ("37", LIST_3, "1.31x slower", "regression"),
        ("38", LIST_1, "not significant", "no_regression"),
        ("38", LIST_2, "1.16x faster", "improved"),
        ("38", LIST_3, "1.11x faster", "improved"),
    ],
)
def test_beside_pyperf(compare, after, benchmark, pyperf_says, verdict):
    document, found = compare("mult_list_py36.json", f"mult_list_py{after}.json")
    ours = found[benchmark]
    assert ours["verdict"] == verdict
    # Each of pyperf's runs is a process: 20 launches of 3 values.
    assert (ours["before"]["launches"], ours["after"]["launches"]) == (20, 20)
    times, _, direction = pyperf_says.partition("x ")
    if direction:
        theirs = float(times) if direction == "faster" else 1 / float(times)
        # Ours is the geometric mean of launch medians, pyperf's the mean of all values.
        assert ours["ratio"]["point"] == pytest.approx(theirs, rel=0.01)
        assert not ours["ratio"]["low"] <= 1.0 <= ours["ratio"]["high"]
    else:
        assert ours["ratio"]["low"] <= 1.0 <= ours["ratio"]["high"]
    assert document["outcome"]["verdict"] == ("regression" if after == "37" else "no_regression")
    assert "python_version" in {one["fact"] for one in document["differences"]}
    assert "did not run side by side" in ours["sentence"]


def test_beside_benchstat_on_its_example(compare):
    """benchstat (csvOldNew.stdout): json -17.20 %, p=0.000 n=10; gob ~, p=0.446 n=10."""
    document, found = compare("benchstat_old.txt", "benchstat_new.txt", "--repetitions-are-launches")
    json_case, gob = found["Encode/format=json-48"], found["Encode/format=gob-48"]
    assert (json_case["verdict"], gob["verdict"]) == ("improved", "no_regression")
    for one, before_ns, after_ns in ((json_case, 1718.0, 1422.5), (gob, 3065.5, 3070.0)):
        assert one["before"]["median"] == pytest.approx(before_ns / 1e6)
        assert one["after"]["median"] == pytest.approx(after_ns / 1e6)
    assert f"{100 * (json_case['after']['median'] / json_case['before']['median'] - 1):.2f}" == "-17.20"
    assert f"{json_case['tests']['mann_whitney_u']['p']:.3f}" == "0.000"
    # Ties are broken against a difference, so our p is never the smaller one.
    assert 0.446 <= gob["tests"]["mann_whitney_u"]["p"] < 0.6
    assert document["outcome"]["verdict"] == "no_regression"


def test_repetitions_of_one_process_get_no_verdict_where_benchstat_gives_one(compare):
    document, found = compare("benchstat_old.txt", "benchstat_new.txt")
    for one in found.values():
        assert one["verdict"] == "cannot_tell"
        assert "10 repetitions of one process are one launch, and at least 4 are needed" in one["reason"]
        assert one["qualifiers"] == ["unpaired", "one_process"]
    assert found["Encode/format=json-48"]["before"]["median"] == pytest.approx(1.718e-3)
    assert document["outcome"]["verdict"] == "cannot_tell"


def go(benchmark: str, *values: float, unit: str = "ns/op") -> str:
    return "".join(f"Benchmark{benchmark} 20000000 {value} {unit}\n" for value in values)


@pytest.mark.filterwarnings("ignore:Precision loss occurred")  # of scipy, since one side does not vary
def test_beside_benchstat_on_its_issue_19634(compare):
    """benchstat (issue19634.stdout): 115.00n to 78.80n, -31.48 %, p=0.008 n=5."""
    before, after = go("FloatSub/100-4", 115, 114, 115, 115, 115), go("FloatSub/100-4", *[78.8] * 5)
    _, found = compare(before, after, "--repetitions-are-launches")
    ours = found["FloatSub/100-4"]
    assert (ours["before"]["median"], ours["after"]["median"]) == (pytest.approx(115e-6), pytest.approx(78.8e-6))
    assert f"{100 * (ours['after']['median'] / ours['before']['median'] - 1):.2f}" == "-31.48"
    assert f"{ours['tests']['mann_whitney_u']['p']:.3f}" == "0.008"
    assert ours["verdict"] == "improved"


def test_beside_benchstat_on_its_issue_19565(compare):
    """benchstat (issue19565.stdout): A ~, p=1.000 n=6, all samples are equal; B and C are of one side alone."""
    before, after = go("A", *[100] * 6) + go("B", *[10000] * 6), go("A", *[100] * 6) + go("C", *[10000] * 6)
    document, found = compare(before, after, "--repetitions-are-launches")
    assert {name: one["reason"] for name, one in found.items()} == {
        "A": "launches do not vary at all, so there is nothing to judge the difference by",
        "B": "it is not in the file after",
        "C": "it is not in the file before",
    }
    assert {one["verdict"] for one in found.values()} == {"cannot_tell"}
    assert document["outcome"]["verdict"] == "cannot_tell"


def test_beside_benchstat_on_its_small_sample(compare):
    """benchstat (smallSample.stdout): ~, p=1.000 n=1, need >= 4 samples to detect a difference."""
    _, found = compare(go("X", 100), go("X", 101), "--repetitions-are-launches")
    assert (found["X"]["verdict"], found["X"]["reason"]) == ("cannot_tell", "1 launch: at least 3 are needed")


def test_beside_benchstat_on_its_units(compare):
    """benchstat (units.stdout): +5.00 % of a unit whose better direction the file does not tell."""
    head = "Unit text-bytes assume=exact\n"
    _, found = compare(head + go("Size", 100, unit="text-bytes"), head + go("Size", 105, unit="text-bytes"))
    assert found["Size"]["verdict"] == "cannot_tell"
    assert "the file does not say which direction of text-bytes is better" in found["Size"]["reason"]


def hyperfine(*results) -> str:
    """Entries as hyperfine's own tests of its exports have them."""
    return json.dumps({"results": [{"command": command, "times": times} for command, times in results]})


def test_beside_hyperfine_on_the_samples_of_its_exports(compare):
    """hyperfine's table: sleep 2 is 18.97 ± 0.29 times sleep 0.1, from means that its three equal times do not give."""
    exported = hyperfine(("sleep 0.1", [0.1, 0.1, 0.1]), ("sleep 2", [2.0, 2.0, 2.0]))
    _, found = compare(exported, exported, "--pair", "sleep 0.1", "sleep 2")
    ours = found["sleep 0.1 to sleep 2"]
    assert (ours["before"]["median"], ours["after"]["median"]) == (100.0, 2000.0)
    assert ours["verdict"] == "cannot_tell"
    assert "launches do not vary at all" in ours["reason"]
    assert ours["ratio"]["point"] == pytest.approx(1 / 20)
    assert "sleep 2 runs 0.0500 times as fast as sleep 0.1" in ours["sentence"]
