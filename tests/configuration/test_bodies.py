"""Requests to a server say what the test case and the client say, and nothing of them that is kept is a secret."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark_runner.configuration.bodies import OWNERS, section_problems
from benchmark_runner.configuration.files import Positions
from benchmark_runner.configuration.resolve import examine

WORD = "sk-4Tq0Zr-wander"


def messages(options: dict[str, Any] | None = None, **asked: Any) -> list[str]:
    entry = {"name": "a", "openai_server": {"base_url": "http://h:1", "model": "m", **asked}, "options": options or {}}
    config = {
        "benchmark": {"output_dir": "results/x", "model_path": "models/m"},
        "engines": [entry],
        "workloads": [{"name": "w", "test_cases": [{"prompt": "Hi", "max_tokens": 4}]}],
    }
    return Positions([]).lines(examine(config).problems)


@pytest.mark.parametrize("name", OWNERS)
def test_a_key_that_the_test_case_or_the_client_says_is_refused_by_its_name(name: str) -> None:
    (line,) = messages(body={"top_k": 0, name: 3})
    assert f"engines[0].openai_server.body.{name}: " in line and f"take {name} out of the body" in line


def test_what_some_servers_refuse_may_be_left_out_and_nothing_else() -> None:
    assert messages(body={"ignore_eos": None, "seed": None, "top_p": None, "stream_options": None, "min_p": 0}) == []
    assert len(messages(body={"max_tokens": None, "temperature": None, "stream": None})) == 3


@pytest.mark.parametrize(
    "carrier",
    [{"options": {"num_predict": 9}}, {"generation_config": '{"temperature": 0.7}'}, {"parameters": {"seed": 1}}],
)
def test_it_is_refused_too_where_a_server_looks_for_it_one_level_deeper(carrier: dict[str, Any]) -> None:
    (line,) = messages(body=carrier)
    (name,) = carrier
    assert f"openai_server.body.{name}." in line


def test_what_only_sounds_alike_is_taken() -> None:
    body = {
        "return_token_ids": True,
        "stop_token_ids": [2],
        "skip_special_tokens": False,
        "min_tokens": 4,
        "generation_config": '{"min_new_tokens": 8}',
        "response_format": {"schema": {"properties": {"token": {"type": "string"}, "model": {"type": "string"}}}},
        "add_bos_token": True,
        "stop": ["Basic chemistry", "Basic 101", "sk-"],
        "hf_tokenizer": "/models/mistral-sk-7b-instruct/snapshots/12fd25f77366fa6b3b4b768ec3050bf629380bac",
        "guided_json": {"properties": {"password": {"type": "string", "title": "Secret word"}}},
    }
    assert messages(body=body, model="lab/opus-mt-sk-en-finetuned") == []


def test_json_in_a_text_is_looked_at_however_deep_it_goes_and_with_what_is_filled_in_later() -> None:
    assert messages(body={"note": "[" * 700 + "]" * 700}) == []
    (line,) = messages(ignoring_eos={"generation_config": '{"min_new_tokens": {max_tokens}, "temperature": 2}'})
    assert "ignoring_eos.generation_config.temperature: " in line


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ({"body": {"api_key": WORD}}, "body.api_key"),
        ({"body": {"extra": [{"Authorization": "x9"}]}}, "body.extra[0].Authorization"),
        ({"body": {"headers": {"X-Auth-Token": "x9"}}}, "body.headers.X-Auth-Token"),
        ({"body": {"user": f"Bearer {WORD}"}}, "body.user"),
        ({"body": {"note": f'{{"password": "{WORD}"}}'}}, "body.note"),
        ({"body": {WORD: 1}}, "body"),
        ({"body": {"a": {"properties": {"password": {"default": WORD}}}}}, "body.a.properties.password.default"),
        ({"body": {"a": {"properties": {WORD: {"type": "string"}}}}}, "body.a.properties"),
        ({"body": {"properties": {"password": WORD}}}, "body.properties.password"),
        ({"body": {"callback": f"https://me:{WORD}@there"}}, "body.callback"),
        ({"base_url": f"https://h/{WORD}/v1"}, "base_url"),
        ({"base_url": f"https://me:{WORD}@h/v1"}, "base_url"),
        ({"base_url": f"https://h/v1?key={WORD}"}, "base_url"),
        ({"path": f"/v1/completions?key={WORD}"}, "path"),
        ({"ids": {"whole_path": f"/completion?key={WORD}"}}, "ids.whole_path"),
        ({"model": WORD}, "model"),
        ({"model": [WORD]}, "model"),
        ({"body": WORD}, "body"),
        ({"body": [{"api_key": "x9"}]}, "body"),
        ({"ids": {"stream": WORD}}, "ids.stream"),
        ({"past_eos": WORD}, "past_eos"),
        ({"api_key": WORD}, "api_key"),
        ({"headers": {"Authorization": WORD}}, "headers"),
    ],
)
def test_a_secret_is_told_by_its_place_and_not_repeated(asked: dict[str, Any], place: str) -> None:
    (line,) = messages(**asked)
    assert f"engines[0].openai_server.{place}: " in line
    assert WORD not in line and "x9" not in line


def test_options_of_any_engine_are_kept_as_they_are_so_they_hold_none() -> None:
    (line,) = messages({"hub": {"hf_token": "x9"}})
    assert "engines[0].options.hub.hf_token: what stands here looks like a secret" in line and "x9" not in line


def test_the_same_holds_for_a_server_that_an_adapter_starts() -> None:
    server = {
        "arguments": ["--port={port}", f"--api-key={WORD}"],
        "body": {"n": 2},
        "prefix_cache": {"body": {"seed": 3}},
    }
    server |= {"environment": {"HF_TOKEN": "x9"}}
    found = {".".join(map(str, place)) for place, _ in section_problems(server)}
    assert found == {"arguments.1", "body.n", "prefix_cache.body.seed", "environment.HF_TOKEN"}
