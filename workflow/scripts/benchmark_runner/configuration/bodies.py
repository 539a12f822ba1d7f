"""What is asked of a server in each request: nothing that the test case or the client says, and no secret.

All of it stands in plans, records and reports as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from benchmark_runner.configuration.files import KeyPath, Problem
from benchmark_runner.configuration.names import entries
from benchmark_runner.configuration.secret_forms import as_json, secrets

_LIMIT: Final = "max_tokens of the test case"
_PROMPT: Final = "the test case's prompt"
_CLIENT: Final = "the load client"

OWNERS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("max_tokens", "max_completion_tokens", "max_new_tokens", "max_length"), _LIMIT),
    **dict.fromkeys(("n_predict", "num_predict"), _LIMIT),
    **dict.fromkeys(("prompt", "prompts", "prompt_ids", "prompt_token_ids", "input", "inputs", "input_ids"), _PROMPT),
    **dict.fromkeys(("messages", "suffix", "echo"), _PROMPT),
    **{name: f"{name} of the test case" for name in ("temperature", "top_p", "seed", "ignore_eos")},
    **dict.fromkeys(("stream", "stream_options", "n", "best_of", "num_return_sequences"), _CLIENT),
    "model": "the key model beside body",
}
"""Who says what such a key of a request says, by the names that servers have for it."""

LEFT_OUT_BY_NULL: Final = ("top_p", "seed", "ignore_eos", "stream_options")
"""Keys of the client's own that some servers refuse; null keeps them out of requests."""

_CARRIERS: Final = ("options", "parameters", "sampling_params", "generation_config", "extra_body")
"""Keys whose value some servers read as if it stood beside them."""

_SECRET_WORDS: Final = "what stands here looks like a secret, and all of this is kept in records as it is; take it out"
_REMEDY: Final = "export a server's key as a variable, and name that in openai_server.api_key_env"


def claimed(body: Mapping[str, Any]) -> Iterator[Problem]:
    """Place and complaint of each key by which requests would ask for something else than the test case or client."""
    for key, value in body.items():
        if (owner := OWNERS.get(str(key))) is not None and not (value is None and key in LEFT_OUT_BY_NULL):
            only = "; only null may stand here, which leaves it out of requests" if key in LEFT_OUT_BY_NULL else ""
            yield [key], f"{owner} says it for each request; take {key} out of the body{only}"
        elif key in _CARRIERS and isinstance(inner := as_json(value), dict):
            for place, words in claimed(inner):
                yield [key, *place], words


def section_problems(server: Mapping[str, Any]) -> Iterator[Problem]:
    """The same of adapter.yaml's section server, with secrets anywhere in it."""
    prefix_cache = server.get("prefix_cache", {})
    bodies = {"body": server["body"], "ignoring_eos": server.get("ignoring_eos", {})}
    for name, body in {**bodies, "prefix_cache.body": prefix_cache.get("body", {})}.items():
        yield from (([name, *place], words) for place, words in claimed(body))
    yield from ((place, _SECRET_WORDS) for place in secrets(server))


def request_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """The same of the servers of a configuration that already run, with secrets in all that says how they are asked,
    and in the options of any engine."""
    for number, entry in entries(config, "engines"):
        place: KeyPath = ["engines", number]
        asked = entry.get("openai_server")
        if isinstance(asked, dict):
            for name in ("body", "ignoring_eos"):
                if isinstance(body := asked.get(name), dict):
                    yield from (([*place, "openai_server", name, *where], words) for where, words in claimed(body))
            told = {key: value for key, value in asked.items() if key != "api_key_env"}
            for where in secrets(told):
                yield [*place, "openai_server", *where], f"{_SECRET_WORDS}, {_REMEDY}"
        for where in secrets(entry.get("options")):
            yield [*place, "options", *where], _SECRET_WORDS
