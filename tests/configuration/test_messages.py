"""One message for each thing to be mended, with place, value, what is allowed and the remedy."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import yaml

from benchmark_runner.configuration.files import Positions
from benchmark_runner.configuration.resolve import examine, require_sound
from benchmark_runner.errors import BenchmarkError

SOUND = {
    "benchmark": {"output_dir": "results/x", "model_path": "models/m"},
    "engines": [{"name": "a", "binary_path": "bin/a"}],
    "workloads": [{"name": "w", "test_cases": [{"prompt": "Hi", "max_tokens": 4}]}],
}


def messages(text: str, overrides=None, files=()) -> list[str]:
    """Messages for SOUND with the sections of a YAML text in place of its own."""
    raw = {**copy.deepcopy(SOUND), **yaml.safe_load(text)}
    return Positions(files, overrides).lines(examine(raw, overrides).problems)


def case(text: str) -> str:
    return f"workloads: [{{name: w, test_cases: [{text}]}}]"


def hub(text: str) -> str:
    return f"benchmark: {{output_dir: x, model_path: y, hugging_face: {{{text}}}}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sistem: {threads: 1}", "sistem: unknown key 'sistem'; did you mean 'system'?"),
        ("zzz: 1", "known here: after, against, analysis, analyze_only, before, benchmark"),
        ("benchmark: {output_dri: x, model_path: y}", "did you mean 'output_dir'?"),
        ("benchmrk: {}\nbenchmark: [a]", 'benchmark: ["a"] is not allowed; write a map of keys'),
        ("engines: {name: a}", "is not allowed; write a list, not empty"),
        ("engines: [pytorch]", 'engines[0]: "pytorch" is not allowed; write a map of keys'),
        (
            "system: {launch_timeout_seconds: 1.5e3}",
            "write a number, more than 0, at most 604800 s; YAML takes 1.5e3 for text",
        ),
        ("system: {cool_down_seconds: 25e-2}", "; YAML takes 25e-2 for text, write 0.25"),
        ("engines: [{name: 5, binary_path: x}]", "engines[0].name: 5 is not allowed; write text, in quotes"),
        ("engines: [{name: no, binary_path: x}]", "engines[0].name: false is not allowed; write text, in quotes"),
        ("engines: [{name: .a/b, binary_path: x}]", "for example 'a_b'"),
        ("engines: [{name: a, binary_path: x, dtype: bf-16}]", "did you mean 'bf16'?"),
        ("engines: [{name: a}]", "an engine needs exactly one of binary_path, openai_server; it has none of them"),
        (
            "engines: [{name: a, binary_path: x, openai_server: {base_url: 'http://h:1', model: m}}]",
            "it has binary_path and openai_server; keep one",
        ),
        (
            "engines: [{name: a, openai_server: {base_url: 'h:1', model: m}}]",
            "what stands here is not allowed; write http",
        ),
        ("engines: [{name: a, openai_server: {base_url: 'http://h:1'}}]", "key 'model' is missing"),
        ("engines: [{name: a, openai_server: {base_url: 'http://h:65536', model: m}}]", "is not allowed; write http"),
        ("engines: [{name: a, openai_server: {base_url: 'http://h:one', model: m}}]", "is not allowed; write http"),
        ("engines: [{name: a, openai_server: {base_url: 'http://[::1', model: m}}]", "is not allowed; write http"),
        (
            "engines: [{name: a, openai_server: {base_url: 'http://h:1', model: m, ids: {stream: text}}}]",
            "write one of token_ids, logprobs, null",
        ),
        ("system: {threads: two}", 'system.threads: "two" is not allowed; write a whole number or null, at least 1'),
        ("system: {thermal_limit_celsius: 900}", "at most 120 °C"),
        ("system: {cool_down_seconds: -1}", "at least 0"),
        ("system: {cool_down_seconds: .nan}", "nan is not finite; write a finite number"),
        ("system: {strict: yess}", "true or false"),
        ("system:", "system: nothing stands here; write a map of keys, or leave the key out"),
        ("monitoring: {sample_interval_ms: 2026-01-01}", '"2026-01-01" is not allowed; write a whole number'),
        ("fidelity: {prompts: []}", "not empty"),
        (case("Hello"), 'test_cases[0]: "Hello" is not allowed; write a map of keys'),
        (case("{prompt: '', max_tokens: 1}"), "the prompt is empty; write a text"),
        (case("{prompt: [], max_tokens: 1}"), "the prompt is empty; write a text"),
        (case("{prompt: 5, max_tokens: 1}"), "5 is no prompt; write a text"),
        (case("{prompt: [{role: usr, content: Hi}], max_tokens: 1}"), 'prompt[0].role: "usr" is not allowed'),
        (case("{prompt: [{role: user, contents: Hi}], max_tokens: 1}"), "prompt[0].contents: unknown key 'contents'"),
        (case("{promt: Hi, max_tokens: 1}"), "promt: unknown key 'promt'; did you mean 'prompt'?"),
        (case("{prompt: Hi, max_token: 1}"), "did you mean 'max_tokens'?"),
        (case("{prompt: Hi, prompt_tokens: 3, max_tokens: 1}"), "it has prompt and prompt_tokens; keep one"),
        (case("{prompt: Hi}"), "key 'max_tokens' is missing; add it: Tokens to generate"),
        (case("{prompt_tokens: 0, max_tokens: 1}"), "at least 1, at most 1000000 tokens"),
        ("benchmark: {model_path: y}", "key 'output_dir' is missing; add it"),
        ('benchmark: {name: " \\t\\u200b", output_dir: x, model_path: y}', "is not allowed; write text, not blank"),
        (
            hub("id: a/b, revision: main"),
            '"main" is not allowed; write a commit of 40 hexadecimal digits, since',
        ),
        (hub("id: b, revision: " + "a" * 40), 'id: "b" is not allowed; write the owner and the name of a repository'),
        (hub("id: a/b"), "key 'revision' is missing; add it: Commit of the repository"),
    ],
)
def test_each_mistake_has_one_message_with_the_remedy(text, expected):
    found = [message for message in messages(text) if "benchmrk" not in message]
    assert len(found) == 1
    assert expected in found[0]


def test_a_long_value_is_cut():
    (message,) = messages(f"engines: [{{name: a, binary_path: x, dtype: {'y' * 500}}}]")
    assert len(message) < 300


@pytest.mark.parametrize(
    "word", ["a\nerror: b\r\n", "a\x1b[2Jb", "a\0b", "a\u202eb\u2028c", "y" * 10_000, "z\n" * 3_000]
)
@pytest.mark.parametrize(
    "place",
    [
        lambda word: {word: 1},
        lambda word: {"benchmark": {**SOUND["benchmark"], word: 1}},
        lambda word: {"benchmark": {**SOUND["benchmark"], "baseline": word}},
        lambda word: {"engines": [{**SOUND["engines"][0], "name": word}]},
        lambda word: {"engines": [{**SOUND["engines"][0], "options": {word: math.inf}}]},
    ],
)
def test_a_problem_is_one_line_whatever_keys_and_values_hold(place, word):
    with pytest.raises(BenchmarkError) as told:
        require_sound(messages(yaml.safe_dump(place(word), allow_unicode=True)))
    _, line = str(told.value).split("\n")
    assert line.isprintable() and len(line) < 1100
    assert ";" in line[-500:]  # the remedy is not cut off


@pytest.mark.parametrize("typed", ["9" * 5_000, "2020-13-45", "[" * 5_000])
def test_text_that_yaml_takes_for_no_value_is_refused_as_text(typed):
    given = {"system": {"threads": typed}}
    (message,) = Positions([], given).lines(examine({**SOUND, **given}, given).problems)
    assert message.startswith("--config: system.threads: ") and "write a whole number" in message


def test_a_whole_number_may_be_written_with_a_point():
    raw = {**SOUND, "system": {"threads": 2.0}}
    assert examine(raw).config["system"]["threads"] == 2
    assert isinstance(examine(raw).config["system"]["threads"], int)


def test_messages_come_in_the_order_of_the_file_and_the_command_line_last(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.yaml"
    file.write_text("system:\n  thread: 1\n  device: gpu\nanalysis:\n  plots: true\n")
    found = messages(file.read_text() + "only_engine: x\n", {"only_engine": "x"}, [file])
    assert [message.split(": ")[0] for message in found] == ["mine.yaml:2", "mine.yaml:3", "mine.yaml:5", "--config"]


def test_a_later_file_is_the_place_of_what_it_overrides(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("system:\n  threads: 0\n  device: gpu\n")
    (tmp_path / "b.yaml").write_text("\n\nsystem:\n  threads: -1\n")
    found = messages("system: {threads: -1, device: gpu}", None, [tmp_path / "a.yaml", tmp_path / "b.yaml"])
    assert [message.split(": ")[0] for message in found] == ["a.yaml:3", "b.yaml:4"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"system": {"thread": "2"}}, "--config: system.thread: unknown key 'thread'; did you mean 'threads'?"),
        ({"only_engine": "a"}, "--config: only_engine: unknown key 'only_engine'; did you mean 'only_engines'?"),
        ({"device": "gpu"}, '--config: system.device: "gpu" is not allowed; write one of auto, cpu, cuda'),
        ({"system": {"threads": "0"}}, "--config: system.threads: 0 is not allowed"),
    ],
)
def test_overrides_of_the_command_line_are_named_as_such(overrides, expected):
    (message,) = Positions([], overrides).lines(examine({**SOUND, **overrides}, overrides).problems)
    assert message.startswith(expected)


def test_numbers_and_truth_values_inside_an_override_are_no_text():
    given = {"system": {"threads": "2", "strict": "true", "cpu_affinity": ["0", "1"], "max_memory_gb": "null"}}
    examined = examine({**SOUND, **given}, given)
    assert examined.problems == []
    system = examined.config["system"]
    assert (system["threads"], system["strict"], system["cpu_affinity"]) == (2, True, [0, 1])
    assert system["max_memory_gb"] is None


def test_pools_of_a_demand_have_names_of_their_own():
    pool = {"name": "chat", "requests_per_day": 10, "prompt_tokens": 4, "answer_tokens": 4}
    (problem,) = examine({**SOUND, "business": {"demand": {"pools": [pool, pool]}}}).problems
    assert problem == (
        ["business", "demand", "pools", 1, "name"],
        "'chat' is there twice; give one of the pools another name",
    )


def test_names_are_checked_whatever_else_is_wrong():
    found = messages(
        "engines: [{name: a, binary_path: x, dtype: f8}, {name: A, binary_path: y}, 7]\nbenchmark: {baseline: c}"
    )
    text = "\n".join(found)
    for expected in ("one of f32", "'A' is there twice (as 'a'", "7 is not allowed", "'c' is no enabled engine"):
        assert expected in text
    assert len(found) == 6


@pytest.mark.parametrize("port", [1, 80, 655, 6553, 6554, 6559, 6560, 8000, 9999, 65529, 65535])
def test_a_server_may_listen_on_each_port_that_there_is(port):
    server = {"name": "a", "openai_server": {"base_url": f"http://h:{port}/v1", "model": "m"}}
    assert messages(yaml.safe_dump({"engines": [server]})) == []


@pytest.mark.parametrize(
    "given", ["api_key_env: sk-word", "base_url: 'https://me:sk-word@h/v1'", "base_url: 'http://h?k=sk-word'"]
)
def test_a_secret_in_the_place_of_its_variable_is_not_repeated(given):
    server = f"{{base_url: 'http://h:1', model: m, {given}}}" if "api" in given else f"{{model: m, {given}}}"
    (told,) = messages(f"engines: [{{name: a, openai_server: {server}}}]")
    assert "sk-word" not in told


@pytest.mark.parametrize(
    "key", ["api_key_env: [sk-word]", "api_key_env: {is: sk-word}", "base_url: ['http://sk-word@h']"]
)
def test_a_key_that_stands_where_its_name_belongs_is_not_repeated(key):
    given = {"base_url": "http://h:65535/v1", "model": "m", **yaml.safe_load(f"{{{key}}}")}
    (line,) = messages(yaml.safe_dump({"engines": [{"name": "a", "openai_server": given}]}))
    assert "what stands here is not allowed; write text" in line and "sk-word" not in line


@pytest.mark.parametrize(
    "given",
    [
        "path: /中",
        'path: "/a\\n"',
        "base_url: 'http://h:1/é'",
        "base_url: 'http://bücher.example'",
        "ids: {whole_path: /ü}",
    ],
)
def test_an_address_that_no_request_can_hold_is_refused(given):
    server = {"base_url": "http://h:1/v1", "model": "m", **yaml.safe_load(given)}
    (line,) = messages(yaml.safe_dump({"engines": [{"name": "a", "openai_server": server}]}))
    assert "is not allowed; write" in line and "in ASCII" in line
