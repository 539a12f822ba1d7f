"""What JSON cannot hold is named with its place, whatever form it has; the rest of the configuration is judged too."""

from __future__ import annotations

import math

import pytest
import yaml

from benchmark_runner.configuration.plain import plain_copy, require_bounded
from benchmark_runner.configuration.resolve import examine
from benchmark_runner.errors import BenchmarkError

OPTIONS = ["engines", 0, "options"]


@pytest.mark.parametrize(
    ("text", "below", "words"),
    [
        ("{built: 2026-07-04}", ["built"], "2026-07-04 is a date to YAML; write it in quotes"),
        ("{built: 2026-07-04 10:00:00}", ["built"], "is a date to YAML"),
        ("{a: {b: [0, !!binary aGk=]}}", ["a", "b", 1], "a value of type bytes cannot be written to JSON"),
        ("{a: !!set {x, y}}", ["a"], "a value of type set"),
        ("{7: seven}", ["7"], "key 7: it is no text to YAML; write it in quotes"),
        ("{true: x}", ["True"], "key True: it is no text to YAML"),
        ("{~: x}", ["None"], "key None: it is no text"),
        ("{a: .inf}", ["a"], "inf is not finite; write a finite number"),
        ("{a: [-.INF]}", ["a", 0], "-inf is not finite"),
        ("{a: 0x10000000000000000}", ["a"], "a whole number of 65 bits is larger than 64 bits can hold"),
        (f"{{a: 0x{'f' * 5000}}}", ["a"], "a whole number of 20000 bits is larger than 64 bits can hold"),
        (r'{a: "x\ud800"}', ["a"], r"character 2 is \ud800, half of a UTF-16 pair and no character"),
        (r'{"k\udfff": 1}', [r"k\udfff"], r"character 2 is \udfff, half of a UTF-16 pair"),
    ],
)
def test_a_value_that_json_cannot_hold_is_named_with_its_place(text, below, words):
    config = {"engines": [{"name": "a", "options": yaml.load(text, Loader=yaml.FullLoader)}]}
    found = [(path, message) for path, message in examine(config).problems if list(path[:3]) == OPTIONS]
    ((path, message),) = found
    assert list(path) == [*OPTIONS, *below]
    assert words in message


def test_what_json_can_hold_is_copied_as_it_is():
    content = {"a": [1, 2.5, True, None, "x\u2028\U0001f600", {"b": []}], "largest": 2**63 - 1}
    assert plain_copy(content) == (content, [])


def test_half_a_character_in_a_prompt_is_named_with_workload_and_case():
    cases = [
        {"prompt": "fine", "max_tokens": 1},
        {"prompt": [{"role": "user", "content": "\ud83d\ude00"}], "max_tokens": 1},
    ]
    problems = examine({"workloads": [{"name": "w", "test_cases": cases}]}).problems
    assert ["workloads", 0, "test_cases", 1, "prompt", 0, "content"] in [list(path) for path, _ in problems]


def test_a_number_that_is_none_does_not_hide_the_other_problems():
    messages = [
        message for _, message in examine({"system": {"cool_down_seconds": math.nan}, "analysis": {"x": 1}}).problems
    ]
    assert any("nan is not finite" in message for message in messages)
    assert any("unknown key 'x'" in message for message in messages)


def test_content_that_refers_to_itself_or_doubles_at_each_level_is_refused_at_once():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(BenchmarkError, match="it holds an alias"):
        require_bounded(loop)
    doubled: object = ["x"]
    for _ in range(60):
        doubled = [doubled, doubled]
    with pytest.raises(BenchmarkError, match=r"it stands for [0-9,]{20,} values"):
        examine({"engines": doubled})


def test_depth_is_found_whatever_part_is_looked_at_first():
    levels: list[object] = [["x"]]
    for _ in range(70):
        levels.append([levels[-1]])
    with pytest.raises(BenchmarkError, match="levels deep"):
        require_bounded(levels)


def test_a_name_that_ends_in_a_line_end_is_no_name():
    problems = examine({"engines": [{"name": "a\n", "binary_path": "b"}], "workloads": [{"name": "w\n"}]}).problems
    assert [list(path) for path, message in problems if "is no name" in message] == [
        ["engines", 0, "name"],
        ["workloads", 0, "name"],
    ]
