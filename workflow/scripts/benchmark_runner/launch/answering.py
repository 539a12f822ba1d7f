"""Whether a server that already runs answers, and what it says of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing, suppress
from typing import Any, Final, NamedTuple

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.launch.running import told_of
from benchmark_runner.load.asking import Asking, fetched
from benchmark_runner.load.client import Client
from benchmark_runner.load.connection import key_problem, target_of, without_key
from benchmark_runner.load.texts import GREETING
from benchmark_runner.protocol.lines import INT_LIMIT
from benchmark_runner.units import NS_PER_S

ANSWER_SECONDS: Final = 60
"""Chosen: a server that is busy with others may take so long for one token."""
WORDS_SECONDS: Final = 10
"""Chosen: what it says of itself takes it no computing."""
ONE_TOKEN: Final = {
    "prompt_ids": [1],
    "max_new_tokens": 1,
    "ignore_eos": False,
    "sampling": {"temperature": 0, "top_p": 1, "seed": 0},
}
OF_MODEL: Final = ("owned_by", "root", "max_model_len")
"""What /v1/models tells of a model that does not change with time."""
WORD_CHARACTERS: Final = 200
"""Most of a word of the server that is kept (chosen)."""

_REMEDIES: Final = {
    "HTTP 401": "Name the variable that holds a valid key in openai_server.api_key_env",
    "HTTP 403": "Use a key that may use this model (openai_server.api_key_env)",
    "HTTP 404": "Correct openai_server.base_url, path or model, as the server's own words tell",
}


class _Greeting(NamedTuple):
    """A prompt for a server that takes text."""

    text: str = GREETING

    def ids_of(self, _text: str) -> list[int]:
        """Ids that stand for it."""
        return [0]

    def of_prompt(self, _ids: Any) -> str:
        """The same for all prompts."""
        return self.text


def _key(server: Mapping[str, Any]) -> str | None:
    return os.environ.get(server["api_key_env"] or "")


def unreachable(engine: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why a server of the plan that already runs cannot be measured, and what would change that; None where it can.

    It is asked for one token, by the way on which it will be measured.
    """
    server = told_of(engine)
    name, url = server["api_key_env"], f"{server['base_url']}{server['path']}"
    if name and (problem := key_problem(name)) is not None:
        return problem, f"export {name}=… and run the same command again"
    try:
        target = target_of(server["base_url"])
    except BenchmarkError as error:
        return str(error), "Correct openai_server.base_url"
    with closing(Client(target)) as client:
        texts: Any = None if server["ids"]["in"] else _Greeting()
        answer = (
            Asking(server, target, client, _key(server), texts)
            .one_token(ONE_TOKEN, round(ANSWER_SECONDS * NS_PER_S))
            .answer
        )
    if answer.chunk_ns or answer.finish is not None:
        return None
    said = without_key(answer.error or f"nothing within {ANSWER_SECONDS} s", _key(server))
    remedy = next((remedy for code, remedy in _REMEDIES.items() if said.startswith(code)), None)
    keyless = f", and no key was sent: {said}" if said.startswith("HTTP 401") and name is None else f": {said}"
    if remedy is None:
        remedy = "Start the server, or correct openai_server.base_url; curl shows its answer"
    return f"{url} does not answer{keyless}", remedy


def _get(server: Mapping[str, Any], path: str) -> tuple[Any, Mapping[str, str]]:
    """Content of a page of the server as it came, None where it has none, and its headers."""
    page, content = fetched(server["base_url"], path, _key(server), WORDS_SECONDS), None
    if page.status == 200:
        with suppress(ValueError, RecursionError):  # a part of it is no JSON either
            content = json.loads(page.body.decode("utf-8", "replace"))
    return content, page.headers


def _word(told: Any, key: str | None) -> str | int | None:
    """What is kept of what a server tells: a short text without its key, or a whole number; None of anything else."""
    if isinstance(told, str):
        return without_key(told, key)[:WORD_CHARACTERS]
    return told if type(told) is int and abs(told) < INT_LIMIT else None


def says(engine: Mapping[str, Any]) -> dict[str, Any]:
    """What a server that already runs says of itself, in place of hashes of its program and weights.

    models: names that /v1/models lists; model: what it lists of the one that is asked, without its times; version: by
    /version or by llama.cpp's /props; server: its header. Each is None where it tells none.
    """
    server = told_of(engine)
    key = _key(server)
    listed, headers = _get(server, "/v1/models")
    entries = listed.get("data") if isinstance(listed, dict) else None
    models = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    own = next((entry for entry in models if entry.get("id") == server["model"]), None)
    version, props = _get(server, "/version")[0], _get(server, "/props")[0]
    told = [(version, "version"), (props, "build_info")]
    versions = [page[name] for page, name in told if isinstance(page, dict) and page.get(name)]
    return {
        "models": sorted(str(_word(entry.get("id"), key)) for entry in models) or None,
        "model": None if own is None else {name: _word(own[name], key) for name in OF_MODEL if name in own},
        "version": next((str(word) for one in versions if (word := _word(one, key)) is not None), None),
        "server": _word(headers.get("server"), key),
    }
