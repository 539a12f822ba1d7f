"""llama.cpp's server on the embedded model: each key that adapter.yaml adds to a request does what it is there for."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter_launch import GREEDY_IDS, PROMPT
from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.launch.server import free_port

pytestmark = pytest.mark.real_engine

ENGINE = "llama_cpp_server"
READY_SECONDS = 120
EMOJI = [1, 10813, 234, 235, 216, 10813, 234, 238, 216, 10813, 234, 235, 216]
"""Bytes of characters that only several ids make."""

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def port(program: Callable[[str], Path], opened_by: Callable[[str], tuple[Path, str]]) -> Iterator[int]:
    """A server of two slots."""
    folder, weights = opened_by(ENGINE)
    port = free_port()
    options = ["--dtype=f32", f"--port={port}", "--threads=1", "--slots=2", "--context=512"]
    command = [str(program(ENGINE)), f"--model={folder / weights}", *options]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        yield port
        server.terminate()
        assert server.wait(20) == 0


@pytest.fixture(scope="module")
def ask(port: int, repository: Path) -> Ask:
    """Asks for a whole answer with adapter.yaml's keys and others in their place; None leaves one out."""
    section = load_adapter(repository / "engines" / "llama-cpp-server").server
    assert section is not None

    def posted(path: str, body: dict[str, Any]) -> dict[str, Any]:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READY_SECONDS)
            try:
                connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                if answer.status == 200:
                    return json.loads(answer.read())
                assert answer.status == 503, answer.read()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "the server does not listen"
            finally:
                connection.close()
            time.sleep(0.1)

    def asked(prompt: list[int] = PROMPT, path: str = "", tokens: int = 12, **changed: Any) -> dict[str, Any]:
        body = {"prompt": prompt, "max_tokens": tokens, "temperature": 0, **section["body"], **changed}
        kept = {name: value for name, value in body.items() if value is not None}
        return posted(path or section["ids"]["whole_path"], kept)

    return asked


def test_a_prompt_of_ids_gives_the_greedy_ids_of_transformers(ask: Ask) -> None:
    answer = ask()
    assert answer["tokens"] == GREEDY_IDS
    assert answer["tokens_evaluated"] == len(PROMPT)


def test_return_tokens_is_what_brings_the_ids(ask: Ask) -> None:
    assert ask(return_tokens=None)["tokens"] == []


def test_logprobs_is_what_brings_ids_in_the_openai_interface(ask: Ask) -> None:
    def content(**changed: Any) -> Any:
        return ask(path="/v1/completions", **changed)["choices"][0]["logprobs"]

    assert [entry["id"] for entry in content()["content"]] == GREEDY_IDS
    assert content(logprobs=None) is None


def test_a_prompt_that_came_before_is_computed_anew_by_cache_prompt_alone(ask: Ask) -> None:
    prompt = [1, *range(500, 540)]
    for _ in range(2):
        assert ask(prompt, tokens=2)["timings"]["cache_n"] == 0
    assert [ask(prompt, tokens=2, cache_prompt=True)["timings"]["cache_n"] for _ in range(4)][-1] > 30


def test_samplers_that_the_server_has_on_are_off(ask: Ask) -> None:
    ours, own = (ask(tokens=1, **changed)["generation_settings"] for changed in ({}, {"top_k": None, "min_p": None}))
    assert (ours["top_k"], ours["min_p"], ours["repeat_penalty"]) == (0, 0, 1)
    assert own["top_k"] > 0
    assert own["min_p"] > 0


def test_top_k_works_on_what_is_drawn(ask: Ask) -> None:
    drawn = {"temperature": 50, "top_p": 1, "seed": 3}
    assert ask(top_k=1, **drawn)["tokens"] == GREEDY_IDS
    assert ask(**drawn)["tokens"] != GREEDY_IDS


def test_a_seed_repeats_and_another_one_does_not(ask: Ask) -> None:
    first, second, other = (ask(temperature=2, top_p=1, seed=seed)["tokens"] for seed in (5, 5, 6))
    assert first == second != other


def test_ignore_eos_bans_the_end_and_does_not_go_on_past_it(ask: Ask) -> None:
    prompt = [1, 4093, 198, 36218, 15876, 30, 2, 198, 1, 520, 9531, 198, 19556, 30]
    ended = ask(prompt, tokens=40)
    assert (ended["tokens"][-1], ended["stop_type"]) == (2, "eos")
    banned = ask(prompt, tokens=40, ignore_eos=True)
    assert (len(banned["tokens"]), banned["stop_type"]) == (40, "limit")
    assert 2 not in banned["tokens"]


def test_ids_of_unfinished_characters_are_lost_in_logprobs_and_kept_whole(ask: Ask) -> None:
    whole = ask(EMOJI, tokens=24)["tokens"]
    told = ask(EMOJI, path="/v1/completions", tokens=24)
    assert len(whole) == 24 == told["usage"]["completion_tokens"]
    assert len(told["choices"][0]["logprobs"]["content"]) < 24
