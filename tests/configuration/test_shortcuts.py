"""What is typed behind --config is what was meant, or one line says what to type."""

from __future__ import annotations

import os

import pytest

from benchmark_runner.campaign.paths import unusable
from benchmark_runner.configuration.files import require_readable
from benchmark_runner.configuration.resolve import examine
from benchmark_runner.configuration.shortcuts import as_given, entry_problem, named, share
from benchmark_runner.errors import BenchmarkError


def test_a_text_in_which_snakemake_read_a_number_or_a_truth_value_is_the_text_again():
    taken = {"output_dir": 20270103, "against": 1000.0, "only_engines": True, "model_path": "models/x", "device": "cpu"}
    entries = ["output_dir='2027_01_03'", "against=1e3", "only_engines=True", "model_path=models/x"]
    found = as_given(taken, entries)
    assert found.config == {
        "output_dir": "2027_01_03",
        "only_engines": "True",
        "model_path": "models/x",
        "device": "cpu",
    }
    assert found.against == "1e3"


def test_a_number_inside_a_section_stays_a_number():
    assert as_given({"benchmark": {"launches": 3}}, ["benchmark={launches: 3}"]).config == {
        "benchmark": {"launches": 3}
    }


@pytest.mark.parametrize("value", [True, 1, "true", "Yes", " on ", "1"])
def test_what_says_yes_is_yes(value):
    assert as_given({"analyze_only": value}, []).analyze_only


@pytest.mark.parametrize("value", [None, False, 0, "false", "No", "off", "0", "null", "none", "~", ""])
def test_what_says_no_is_no(value):
    assert not as_given({"analyze_only": value}, []).analyze_only


@pytest.mark.parametrize("value", ["maybe", 2, [], "tru"])
def test_what_says_neither_is_refused(value):
    with pytest.raises(BenchmarkError, match="is neither true nor false; write one of them"):
        as_given({"analyze_only": value}, [])


def test_folders_that_are_joined_are_analysed_and_nothing_is_measured():
    found = as_given({"folders": "results/a, 2026", "output_dir": "c", "unlike_machines": "yes"}, [])
    assert found.folders == ["results/a", "2026"] and found.analyze_only and found.unlike_machines
    assert found.config == {"output_dir": "c"}
    assert as_given({"folders": 2026}, ["folders=2026"]).folders == ["2026"]
    assert as_given({"folders": None}, []).folders == [] and as_given({}, []).folders is None


def test_unlike_machines_mean_nothing_without_folders():
    with pytest.raises(BenchmarkError, match=r"^unlike_machines: is of joining"):
        as_given({"unlike_machines": True}, [])


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (None, None),
        ("null", None),
        ("a", ["a"]),
        ("a, b,", ["a", "b"]),
        (["a", 7], ["a", "7"]),
        ({"a": ""}, ["a"]),
        (",", []),
    ],
)
def test_engines_are_named_by_commas_or_as_a_list(value, names):
    assert named(value) == names


def test_no_engine_at_all_is_a_problem():
    problems = examine({"engines": [{"name": "a", "binary_path": "b"}], "only_engines": " , "}).problems
    assert any(message.startswith("it names no engine") for _, message in problems)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("benchmark.launches=7", "for benchmark.launches type --config 'benchmark={launches: 7}'"),
        ("benchmark.lanches=7", "for benchmark.launches type --config 'benchmark={launches: 7}'"),
        ("analysis.remove-outliers=no", "for analysis.remove_outliers type --config 'analysis={remove_outliers: no}'"),
        ("system.cpu_affinity=[0, 1]", "type --config 'system={cpu_affinity: …}'"),
        ("benchmark.output_dir=results/x", "type --config output_dir=results/x"),
        ("benchmark.headline.latency_workload=a", "type --config 'benchmark={headline: {latency_workload: a}}'"),
        ("--launches=7", "for benchmark.launches type"),
        ("q=1", "there is no key 'q'; config/README.md has them all"),
        ("report", "'report' is no KEY=VALUE; targets and files go before --config"),
    ],
)
def test_a_key_that_snakemake_does_not_take_gets_what_to_type(entry, words):
    assert words in (entry_problem(entry) or "")


@pytest.mark.parametrize("entry", ["output_dir=results/x=y", "system={threads: 2}", "launches=7", "only_engines="])
def test_a_key_that_snakemake_takes_is_left_to_the_workflow(entry):
    assert entry_problem(entry) is None


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("launches", "unknown key 'launches'; benchmark.launches is one (--config 'benchmark={launches: …}')"),
        ("thread", "unknown key 'thread'; system.threads is one (--config 'system={threads: …}')"),
        ("benchmark.seed", "benchmark.seed is one (--config 'benchmark={seed: …}')"),
        ("workload", "unknown key 'workload'; did you mean 'workloads'?"),
        ("colour", "unknown key 'colour'; known here: after, against, "),
    ],
)
def test_a_key_that_belongs_into_a_section_is_told_where(key, words):
    assert any(words in message for _, message in examine({key: 1}).problems)


def test_a_command_line_with_such_words_ends_with_one_line():
    require_readable(["report", "--config", "output_dir=x", "-n"])
    for words in (["--config", "a=b", "report"], ["-C", "system.device=cpu"], ["--config", "engines=&a [*a]"]):
        with pytest.raises(SystemExit) as caught:
            require_readable(words)
        message = str(caught.value)
        assert message.startswith("error: --config: ") and "\n" not in message


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("benchmark={launches: 012}", "error: --config: benchmark: '012' is 10 to YAML, which reads it in octal"),
        ("system={launch_timeout_seconds: 2:00}", "'2:00' is 120 to YAML, which reads it by sixties"),
        ("benchmark={seed: 1, seed: 2}", "error: --config: benchmark.seed: the key stands twice; remove one"),
    ],
)
def test_braces_on_the_command_line_say_what_they_look_like_or_are_refused(entry, words):
    for sound in ("output_dir=0700", 'benchmark={output_dir: "0700"}', "system={threads: 2}"):
        require_readable(["--config", sound])
    with pytest.raises(SystemExit) as caught:
        require_readable(["--config", entry])
    assert words in str(caught.value) and "line" not in str(caught.value)


@pytest.mark.parametrize(("value", "words"), [(5, "; 5 % is 0.05"), (2.5, "; 2.5 % is 0.025")])
def test_per_cent_typed_for_a_share_is_named(value, words):
    ((_, message),) = [found for found in examine({"comparison": {"margin": value}}).problems if "margin" in found[0]]
    assert words in message


@pytest.mark.parametrize(("text", "value"), [("", None), ("5%", 0.05), (" 2.5 % ", 0.025), ("0.1", 0.1), ("100%", 1.0)])
def test_a_share_is_typed_as_a_percentage_or_a_number(text, value):
    assert share(text, "wanted_difference") == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize("text", ["5", "a lot", "0", "-3%", "nan", "0.05%"])
def test_a_share_that_is_none_is_told_with_the_key(text):
    with pytest.raises(BenchmarkError, match=r"wanted_difference: '.*' is no difference between 0\.1% and 100%"):
        share(text, "wanted_difference")


def test_a_line_break_that_was_typed_is_not_the_blank_that_yaml_makes_of_it():
    taken = {"output_dir": "results/two lines", "only_engines": ["one", "two"], "device": "cpu"}
    found = as_given(taken, ["output_dir='results/two\nlines'", "only_engines=[one,\n two]", "device=cpu"])
    assert found.config == taken | {"output_dir": "results/two\nlines"}
    assert "cannot be seen" in (unusable(found.config["output_dir"]) or "")


@pytest.mark.parametrize("entry", [b"output_dir=caf\xe9/x", b"caf\xe9=1", b"benchmark={name: caf\xe9}", b"caf\xe9"])
def test_bytes_of_a_command_line_that_are_no_utf_8_are_told_as_its_own(entry):
    told = entry_problem(os.fsdecode(entry)) or ""
    assert told.startswith("--config: ") and told.endswith(": byte 0xe9 is not UTF-8; type the value in that encoding")
    with pytest.raises(SystemExit, match=r"^error: --config: .*byte 0xe9 is not UTF-8"):
        require_readable(["--config", os.fsdecode(entry)])
