"""What a server is asked for a case of a spec, and what its answers are in the words of the protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.load.chunks import Answer, answer_of
from benchmark_runner.load.client import FOREVER_NS, Client
from benchmark_runner.load.connection import Exchange, Target, request_bytes, target_of
from benchmark_runner.load.stages import ClosedLoop
from benchmark_runner.load.texts import GREETING, TextError, Texts
from benchmark_runner.load.wire import Received, read_response
from benchmark_runner.units import NS_PER_S

ONE_REQUEST: Final = {
    "mode": "closed",
    "concurrency": 1,
    "requests": 1,
    "duration_seconds": None,
    "warmup_requests": 0,
}


TOKENS: Final = "{max_tokens}"
"""Stands in the texts of `ignoring_eos` for the tokens that a request asks for."""


class Asked(NamedTuple):
    """One request that ended, and what it said."""

    exchange: Exchange
    answer: Answer


class Timed(NamedTuple):
    """Each generated id with the time at which it had come."""

    token_ids: list[int]
    token_ns: list[int]
    finish: str


def fetched(base_url: str, path: str, key: str | None, seconds: float) -> Received:
    """A page of the server, as far as it came within that time, with what kept the rest of it from coming as its flaw.

    Raises BenchmarkError for an address that is none.
    """
    target = target_of(base_url)
    with closing(Client(target)) as client:
        request = request_bytes(target, path, None, key)
        (exchange,) = client.run(ClosedLoop(ONE_REQUEST, 1), [request], round(seconds * NS_PER_S)).exchanges
    page = read_response(exchange.pieces, closed=exchange.outcome == "closed")
    if page.ended or page.flaw is not None:
        return page
    cut = (
        f"it has not ended within {seconds:g} s" if exchange.outcome == "timeout" else "the connection ended within it"
    )
    return page._replace(flaw=exchange.words or cut)


class Asking:
    """Makes the requests for one server (server.json) and sends those that are sent alone."""

    def __init__(
        self, server: Mapping[str, Any], target: Target, client: Client, key: str | None, texts: Texts | None = None
    ) -> None:
        """texts is for a server whose interface takes text alone."""
        self._server = server
        self._target = target
        self._client = client
        self._key = key
        self.texts = texts
        # Servers that only ban end-of-sequence ids are asked again behind one where their greedy ids are wanted.
        self._asks_again = server.get("past_eos") == "asked_again"

    def request(self, case: Mapping[str, Any], prompt: Sequence[int], number: int, *, stream: bool = True) -> bytes:
        """Request `number` of a case; all that the case says of sampling is sent, since servers differ in defaults.

        Keys of server.json's body come last; one that is null there is left out.
        """
        sampling, ids = case["sampling"], self._server["ids"]
        goes_on = case["ignore_eos"] and not self._asks_again
        own_keys = self._server.get("ignoring_eos")
        body = {
            "model": self._server["model"],
            "prompt": list(prompt) if self.texts is None else self.texts.of_prompt(prompt),
            "max_tokens": case["max_new_tokens"],
            "temperature": sampling["temperature"],
            "top_p": sampling["top_p"],
            "seed": sampling["seed"] + number,
            "ignore_eos": goes_on if own_keys is None else None,
            "stream": stream,
            "stream_options": {"include_usage": True} if stream else None,
            **self._server["body"],
            **(with_tokens(own_keys, case["max_new_tokens"]) if goes_on and own_keys else {}),
        }
        path = self._server["path"] if stream else ids.get("whole_path", self._server["path"])
        kept = {name: value for name, value in body.items() if value is not None}
        return request_bytes(self._target, path, json.dumps(kept).encode(), self._key)

    def ask(
        self,
        case: Mapping[str, Any],
        prompt: Sequence[int],
        number: int,
        *,
        stream: bool = True,
        timeout_ns: int = FOREVER_NS,
    ) -> Asked:
        """Send one request alone and wait for its end."""
        request = self.request(case, prompt, number, stream=stream)
        (exchange,) = self._client.run(ClosedLoop(ONE_REQUEST, 1), [request], timeout_ns).exchanges
        return Asked(exchange, read(exchange, case, self.sent_tokens(prompt)))

    def sent_tokens(self, prompt: Sequence[int]) -> int | None:
        """Ids that are sent of a prompt; None where that is text, of which a server makes its own."""
        return len(prompt) if self.texts is None else None

    def other_model(self, answer: Answer) -> dict[str, str]:
        """Key `model` of an event, where the answer is of another model than was asked; empty where it is not, or the
        server names none."""
        if answer.model is None or _short_name(answer.model) == _short_name(self._server["model"]):
            return {}
        return {"model": answer.model}

    def one_token(self, case: Mapping[str, Any], timeout_ns: int) -> Asked:
        """Ask for one token, behind the first of a case's prompt or a word."""
        one = {**case, "max_new_tokens": 1, "ignore_eos": False}
        prompt = self.texts.ids_of(GREETING) if self.texts else case["prompt_ids"][:1]
        return self.ask(one, prompt, 0, timeout_ns=timeout_ns)

    def _ids_of_text(self, texts: Texts, answer: Answer, case: Mapping[str, Any]) -> list[int]:
        """Ids of an answer that is text alone; raises TextError where they cannot be told."""
        prompt = texts.of_prompt(case["prompt_ids"])
        used, told, limit = len(texts.ids_of(prompt)), answer.prompt_tokens, case["max_new_tokens"]
        if told is not None and told != used:
            raise TextError(f"the server reads {told} tokens of a prompt of which the model's tokenizer makes {used}")
        ids = texts.ids_behind(prompt, answer.text)
        if answer.finish == "length" and len(ids) != limit:
            raise TextError(f"the text of an answer of {limit} tokens is {len(ids)} to the model's tokenizer")
        return ids

    def timed(self, asked: Asked, case: Mapping[str, Any], number: int) -> Timed:
        """Ids and times of a request that streamed; where it did not tell all ids, those of a whole answer.

        Raises BenchmarkError where the request failed or the ids cannot be had.
        """
        answer = require_ok(asked)
        ids, times = answer.token_ids, list(_each_token(answer))
        if ids is None and self._server["ids"]["whole"] is not None:
            ids = require_ok(self.ask(case, case["prompt_ids"], number, stream=False)).token_ids
            times = paired(times, len(ids or ()))
        if ids is None and self.texts is not None:
            ids = self._ids_of_text(self.texts, answer, case)
            times = paired(times, len(ids))
        if ids is None:
            raise BenchmarkError("the server's answer tells no ids, or not all; adapter.yaml's ids.whole names them")
        left = case["max_new_tokens"] - len(ids)
        stopped = self._asks_again and case["ignore_eos"] and left and answer.finish in {"eos", "stop"}
        if stopped and self.texts is not None:
            raise TextError(f"its text ends after {len(ids)} of {case['max_new_tokens']} tokens")
        if stopped and ids:
            rest = {**case, "prompt_ids": [*case["prompt_ids"], *ids], "max_new_tokens": left}
            more = self.timed(self.ask(rest, rest["prompt_ids"], number), rest, number)
            return Timed([*ids, *more.token_ids], [*times, *more.token_ns], more.finish)
        return ended(Timed(ids, times, answer.finish or ""), case, asked.exchange.end_ns)


def _short_name(model: str) -> str:
    """What tells a model from others: servers add or leave out the folders, a revision (@main) and capitals."""
    return model.rstrip("/").rpartition("/")[2].partition("@")[0].casefold()


def with_tokens(keys: Any, tokens: int) -> Any:
    """Keys by which a request asks to go on past its end, with the number of its tokens in their texts; a text that
    says nothing else is that number."""
    if isinstance(keys, dict):
        return {name: with_tokens(value, tokens) for name, value in keys.items()}
    if isinstance(keys, list):
        return [with_tokens(value, tokens) for value in keys]
    if keys == TOKENS:
        return tokens
    return keys.replace(TOKENS, str(tokens)) if isinstance(keys, str) else keys


def read(exchange: Exchange, case: Mapping[str, Any], prompt_tokens: int | None = None) -> Answer:
    """What came of a request; prompt_tokens: how many ids its prompt had, where the server's count is to be checked."""
    outcome = exchange.outcome
    answer = answer_of(
        exchange.pieces,
        max_tokens=case["max_new_tokens"],
        closed=outcome == "closed",
        stopped=outcome if outcome in {"refused", "timeout", "cancelled"} else None,
        prompt_tokens=prompt_tokens,
    )
    return answer._replace(error=exchange.words) if answer.error and exchange.words else answer


def require_ok(asked: Asked) -> Answer:
    """The answer; raises BenchmarkError where there is no whole one."""
    answer = asked.answer
    if answer.status != "ok":
        raise BenchmarkError(f"the server's answer: {answer.status}{f' ({answer.error})' if answer.error else ''}")
    return answer


def _each_token(answer: Answer) -> Iterator[int]:
    for stamp_ns, tokens in zip(answer.chunk_ns, answer.chunk_tokens, strict=True):
        yield from [stamp_ns] * tokens


def paired(times: Sequence[int], count: int) -> list[int]:
    """Times of so many ids where the stream told others: one after another, what was held back with the last."""
    return [*times[:count], *[times[-1]] * (count - len(times))]


def ended(timed: Timed, case: Mapping[str, Any], end_ns: int) -> Timed:
    """With the protocol's finish, and the id that ended the sequence as the last one, which servers leave out.

    Raises BenchmarkError where it ended before its time.
    """
    ids, limit = timed.token_ids, case["max_new_tokens"]
    may_end = not case["ignore_eos"] and bool(case["eos_ids"])
    # A server knows the model's own ids of the end, and goes on behind another that the case names.
    until = next((place for place, one in enumerate(ids, start=1) if may_end and one in case["eos_ids"]), None)
    if until is not None:
        return Timed(ids[:until], timed.token_ns[:until], "eos")
    if len(ids) == limit:
        return timed._replace(finish="length")
    if may_end and timed.finish in {"eos", "stop"}:
        # Which one of several it was they do not tell.
        return Timed([*ids, case["eos_ids"][0]], [*timed.token_ns, end_ns], "eos")
    raise BenchmarkError(f"the server stopped ({timed.finish}) after {len(ids)} of {limit} tokens")


def with_its_end(answer: Answer, case: Mapping[str, Any], end_ns: int) -> Answer:
    """An answer under load as an adapter would tell it: with the step that ended the sequence, which servers keep to
    themselves, at its end; malformed where it ended although it was to go on."""
    ids, limit = answer.token_ids, case["max_new_tokens"]
    if answer.status != "ok" or answer.finish == "length":
        return answer
    count = sum(answer.chunk_tokens)
    if case["ignore_eos"]:
        words = f"it ended ({answer.finish}) after {count} of {limit} tokens, and was to ignore the end"
        return answer._replace(status="malformed", error=words)
    told = ids[-1] in case["eos_ids"] if ids else count >= (answer.completion_tokens or 0)
    if answer.finish != "eos" or told or count >= limit or not case["eos_ids"]:
        return answer
    # Which one of several it was they do not tell.
    return answer._replace(
        chunk_ns=[*answer.chunk_ns, end_ns],
        chunk_tokens=[*answer.chunk_tokens, 1],
        token_ids=[*ids, case["eos_ids"][0]] if ids else None,
    )


def request_event(case: int, load: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """The event of one request under load."""
    exchange, answer = asked
    turn = {"prompt": exchange.planned.prompt} if "turns" in load else {}
    return {
        "event": "request",
        "case": case,
        "number": exchange.planned.number,
        **turn,
        "phase": exchange.planned.phase,
        "scheduled_ns": exchange.planned.scheduled_ns,
        "start_ns": exchange.start_ns,
        "written_ns": exchange.written_ns,
        "chunk_ns": answer.chunk_ns,
        "chunk_tokens": answer.chunk_tokens,
        "token_ids": answer.token_ids,
        "stamp": exchange.stamp,
        "shared_chunks": answer.shared_chunks,
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "cached_tokens": answer.cached_tokens,
        "end_ns": exchange.end_ns,
        "finish": answer.finish,
        "status": answer.status,
        "error": answer.error,
    }
