"""From the bytes of one answer to the fields of a request: when its tokens came, how many, which, and how it ended.

A chunk is what one event of a stream, or a whole answer, brings of generated tokens. Any generated token counts, of
reasoning too; what brings none (the role, comments, usage) is no chunk. What tokens there are is said by their ids;
without ids each chunk counts as one, and how many there are is said by usage.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from benchmark_runner.load.wire import DONE, Piece, Received, ServerEvent, read_response
from benchmark_runner.protocol.requests import COUNT_LIMIT

WORDS: Final = 200
"""Most characters of a server's words that are kept (chosen)."""
BUSY: Final = frozenset({429, 503})
"""HTTP statuses by which a server refuses for now."""
GENERATED: Final = ("content", "reasoning_content", "reasoning", "refusal", "tool_calls")
"""Where a message or a part of it holds what was generated."""
TEXTS: Final = GENERATED[:3]
"""Those that are text."""
TELLS_COUNTS: Final = frozenset({"usage", "tokens_evaluated", "timings"})
RAW_DECODE: Final = json.JSONDecoder().raw_decode
FINISHES: Final[Mapping[str, str]] = {"length": "length", "limit": "length", "eos": "eos", "eos_token": "eos"}


class Answer(NamedTuple):
    """What came of one request, as the event request has it; times in CLOCK_MONOTONIC nanoseconds."""

    chunk_ns: list[int]
    chunk_tokens: list[int]
    token_ids: list[int] | None
    shared_chunks: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    finish: str | None
    status: str
    error: str | None
    timings: Mapping[str, float] | None = None
    """Of the server's own clock, as llama.cpp tells them in its last event."""
    text: str = ""
    """All that was generated."""
    model: str | None = None
    """Which model the server says to have answered."""


class _AnswerError(Exception):
    """What an answer may not hold: the status it gives, and words."""

    def __init__(self, status: str, words: str) -> None:
        super().__init__(words)
        self.status = status


class _Chunk(NamedTuple):
    stamp_ns: int
    ids: list[int] | None
    generated: int | None
    """Tokens so far by usage, where each event tells it."""
    shared: bool


def answer_of(
    pieces: Iterable[Piece],
    *,
    max_tokens: int,
    closed: bool,
    stopped: str | None = None,
    prompt_tokens: int | None = None,
) -> Answer:
    """What the pieces of a response say to a request of so many tokens; prompt_tokens: None where it sent text.

    Closed: the server closed the connection after them. Stopped: what is said of one that has not ended because the
    client gave it up (timeout, cancelled) or was refused the connection; without it such a one was cut.
    """
    received, reading = read_response(pieces, closed=closed), _Reading()
    status, error = "ok", None
    try:
        _check_status(received)
        reading.read(received)
        _check_end(received, reading.finish)
        reading.check_prompt(prompt_tokens)
        reading.check_count(max_tokens)
    except _AnswerError as wrong:
        status = stopped if stopped and wrong.status == "cut" else wrong.status
        error = None if status in {"timeout", "cancelled"} else str(wrong)
    return reading.answer(max_tokens, status, error)


def _check_status(received: Received) -> None:
    if received.flaw is not None:
        raise _AnswerError("malformed", _words(received.flaw))
    if received.status is None:
        where = "before an answer" if received.last_ns is None else "within the head of the answer"
        raise _AnswerError("cut", f"the connection ended {where}")
    if received.status != 200:
        leads = f", which leads to {_words(place)}" if (place := received.headers.get("location")) else ""
        body = received.body or (received.events[0].payload if received.events else b"")
        words = f"HTTP {received.status}{leads}{f': {said}' if (said := _said(body)) else ''}"
        raise _AnswerError("refused" if received.status in BUSY else "error", words)


def trouble(received: Received) -> str | None:
    """What is wrong with a page that was fetched, in words; None where it is there, whole and of status 200."""
    try:
        _check_status(received)
    except _AnswerError as wrong:
        return str(wrong)
    return None


def _check_end(received: Received, finish: str | None) -> None:
    if not received.ended:
        raise _AnswerError("cut", "the connection ended within the answer")
    if finish is None:
        is_empty = not received.events and not received.body
        raise _AnswerError(
            "cut", "an answer without a word" if is_empty else "the answer ended without a finish_reason"
        )


def _said(body: bytes) -> str:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = body.decode("utf-8", "replace")
    return _words(content)


def _words(content: Any) -> str:
    """The message in what a server says of an error, on one line and bounded."""
    for key in ("error", "message", "detail"):
        if isinstance(content, dict) and content.get(key):
            content = content[key]
    text = content if isinstance(content, str) else json.dumps(content)
    if len(text) > WORDS:  # by whole words: nobody would know half a key for one
        text = re.sub(r"\S*\Z", "…", text[:WORDS], count=1)
    return "".join(sign if sign.isprintable() else " " for sign in text)


class _Reading:
    """What the payloads of an answer have said so far."""

    def __init__(self) -> None:
        self.finish: str | None = None
        self._chunks: list[_Chunk] = []
        self._texts: list[str] = []
        self._usage: dict[str, int | None] = {}
        self._timings: dict[str, float] | None = None
        self._all_ids = True
        """Whether the server tells each id: llama.cpp's tells them with their text, and loses those of held text."""
        self._is_done = False
        self._model: str | None = None
        self._names: list[str] = []
        """Names of the answer in its events, each as often as another came between."""

    def read(self, received: Received) -> None:
        """Take payloads up to one that is none or tells an error, where _AnswerError is raised."""
        for event in received.events:
            self._take_event(event)
        if received.body and received.ended and received.last_ns is not None:
            self._take_event(ServerEvent("", received.body, received.last_ns, received.shared))

    def _take_event(self, event: ServerEvent) -> None:
        content = _parsed(event.payload)
        if content is None and event.payload.strip() == DONE:
            self._is_done = True
            return
        if event.name == "error" or (isinstance(content, dict) and _tells_error(content)):
            raise _AnswerError("error", _said(event.payload))
        if not isinstance(content, dict):
            raise _AnswerError("malformed", f"no JSON object: {_words(event.payload.decode('utf-8', 'replace'))}")
        if (name := content.get("id")) and isinstance(name, str) and self._names[-1:] != [name]:
            self._take_name(name)
        if self._model is None and isinstance(model := content.get("model"), str):
            self._model = _words(model)
        if TELLS_COUNTS & content.keys():
            self._take_usage(content)
        choices = content.get("choices")
        if isinstance(choices, list):
            for place, choice in enumerate(choices):
                if isinstance(choice, dict):
                    self._require_only(choice.get("index", place))
                    self._take_choice(choice, event)
        elif "content" in content:  # llama.cpp's own /completion
            self._take_choice(content, event)

    def _take_name(self, name: str) -> None:
        """Some servers name each event anew; a name that comes again behind another is of two answers in one stream."""
        if name in self._names:
            raise _AnswerError("malformed", f"parts of two answers, {_words(self._names[-1])} and {_words(name)}")
        self._names.append(name)

    @staticmethod
    def _require_only(index: Any) -> None:
        if index not in (0, None):
            raise _AnswerError("malformed", f"a choice with the index {_words(index)}, where one choice was asked for")

    def _take_usage(self, content: Mapping[str, Any]) -> None:
        usage, own = content.get("usage"), content.get("timings")
        counts: dict[str, int | None] = {}
        if isinstance(usage, dict):
            details = usage.get("prompt_tokens_details")
            cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
            counts = {name: _count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens")}
            counts["cached_tokens"] = cached
        elif "tokens_evaluated" in content:  # llama.cpp's own /completion
            counts["prompt_tokens"] = _count(content["tokens_evaluated"])
            counts["completion_tokens"] = _count(content.get("tokens_predicted"))
        if isinstance(own, dict) and counts.get("cached_tokens") is None:  # llama.cpp's, in any of its answers
            counts["cached_tokens"] = _count(own.get("cache_n"))
        if isinstance(own, dict):
            numbers = {name: value for name, value in own.items() if type(value) in (int, float)}
            self._timings = {name: value for name, value in numbers.items() if abs(value) < COUNT_LIMIT}
        self._usage.update((name, count) for name, count in counts.items() if count is not None)

    def _take_choice(self, choice: Mapping[str, Any], event: ServerEvent) -> None:
        said = choice
        if "delta" in choice or "message" in choice:
            said = next((one for one in map(choice.get, ("delta", "message")) if isinstance(one, dict)), choice)
        ids, text = self._ids_of(choice), choice.get("text")
        if ids or text or any(map(said.get, GENERATED)):
            if self._is_done or self.finish is not None:
                raise _AnswerError("malformed", "tokens came after the answer's end")
            generated = self._usage.get("completion_tokens")
            self._chunks.append(_Chunk(event.stamp_ns, ids, generated, event.shared))
            if not isinstance(text, str):
                text = next((part for part in map(said.get, TEXTS) if isinstance(part, str)), "")
            self._texts.append(text)
        reason = choice.get("finish_reason") or choice.get("stop_type")
        if isinstance(reason, str) and reason not in {"", "none"}:
            if reason in {"error", "abort"}:
                raise _AnswerError("error", f"finish_reason {reason}")
            by_words = isinstance(choice.get("stop_reason"), str)
            self.finish = FINISHES.get(reason, "eos" if reason == "stop" and not by_words else "stop")

    def _ids_of(self, choice: Mapping[str, Any]) -> list[int] | None:
        ids, logprobs = choice.get("token_ids"), choice.get("logprobs")
        if ids is None:
            ids = choice.get("tokens")
            if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list):
                ids = [entry["id"] for entry in logprobs["content"] if isinstance(entry, dict) and "id" in entry]
            self._all_ids = self._all_ids and not ids
        if ids is not None and not (isinstance(ids, list) and all(map(_is_count, ids))):
            raise _AnswerError("malformed", "ids of tokens that are none")
        return ids

    @property
    def _ids(self) -> list[int]:
        return [token for chunk in self._chunks for token in chunk.ids or ()]

    @property
    def _untold(self) -> int:
        """Tokens of usage whose ids may be lacking: some servers keep the end's to themselves."""
        return self.finish == "eos"

    def check_prompt(self, prompt_tokens: int | None) -> None:
        """Raise _AnswerError where the server read a prompt of another length than was sent."""
        told = self._usage.get("prompt_tokens")
        if prompt_tokens is not None and told is not None and told != prompt_tokens:
            raise _AnswerError("malformed", f"usage says {told} prompt tokens, but {prompt_tokens} ids were sent")
        cached = self._usage.get("cached_tokens")
        if told is not None and cached is not None and cached > told:
            raise _AnswerError("malformed", f"usage says {cached} cached tokens of a prompt of {told}")

    def check_count(self, max_tokens: int) -> None:
        """Raise _AnswerError where no token came, or where ids and usage leave open how many there are."""
        ids, usage = len(self._ids), self._usage.get("completion_tokens")
        if not self._chunks:
            raise _AnswerError("malformed", "the answer ended without a token")
        if ids > max_tokens:
            raise _AnswerError("malformed", f"{ids} ids came where at most {max_tokens} were asked for")
        # Some servers' usage is off by one.
        told_apart = usage is not None and (ids + self._untold < usage <= max_tokens or usage < ids - 1)
        if ids and self._all_ids and told_apart:
            raise _AnswerError("malformed", f"usage says {usage} tokens, but {ids} ids came")
        count = ids if ids and (self._all_ids or usage is None) else usage
        # Some servers' usage is off by one where the limit ends the answer.
        off_by = 0 if count is None or self.finish != "length" else max_tokens - count
        if off_by > 1 or (off_by and ids and count == ids) or off_by < -1:
            raise _AnswerError("malformed", f"finish_reason is length after {count} of {max_tokens} tokens")

    def answer(self, max_tokens: int, status: str, error: str | None) -> Answer:
        """All that was read, as far as it goes."""
        chunks, ids = self._chunks, self._ids
        usage = self._usage.get("completion_tokens")
        if usage is not None and status == "ok":
            at_limit = self.finish == "length" and len(ids) != max_tokens
            usage = max_tokens if at_limit else min(usage, max_tokens)
        if not self._all_ids and usage is not None and usage > len(ids) + self._untold:
            ids = []
        if ids:
            chunks = [chunk for chunk in chunks if chunk.ids]
        at_once = Counter(chunk.stamp_ns for chunk in chunks)
        return Answer(
            [chunk.stamp_ns for chunk in chunks],
            [len(chunk.ids or ()) for chunk in chunks] if ids else _tokens(chunks, usage),
            ids or None,
            sum(chunk.shared or at_once[chunk.stamp_ns] > 1 for chunk in chunks),
            self._usage.get("prompt_tokens"),
            usage,
            self._usage.get("cached_tokens"),
            self.finish,
            status,
            error,
            self._timings,
            _whole("".join(self._texts)),
            self._model,
        )


def _whole(text: str) -> str:
    """Text of which some servers send the halves of a character in two events; a half alone is none and is replaced."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _tokens(chunks: list[_Chunk], usage: int | None) -> list[int]:
    """How many tokens each chunk brings where no ids tell: what usage adds in each, all in the only one, or one."""
    if len(chunks) == 1:
        return [max(usage or 1, 1)]
    totals = [0, *(chunk.generated or 0 for chunk in chunks)]
    steps = [after - before for before, after in pairwise(totals)]
    return steps if all(step > 0 for step in steps) else [1] * len(chunks)


def _parsed(payload: bytes) -> Any:
    """What JSON a payload is; None where it is none. An object in UTF-8 goes to the parser without json.loads, which
    takes longer to find the encoding than to read it."""
    try:
        if payload.startswith(b"{"):
            text = payload.decode("utf-8", "surrogatepass").rstrip(" \t\r\n")
            content, end = RAW_DECODE(text)
            return content if end == len(text) else None
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def _tells_error(content: Mapping[str, Any]) -> bool:
    return bool(content.get("error")) or content.get("object") == "error"


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < COUNT_LIMIT


def _count(value: Any) -> int | None:
    """A number of tokens: of others no event may tell, and a broken answer breaks no launch."""
    if type(value) is float and value.is_integer():  # as what knows no whole numbers writes them
        value = int(value)
    return value if _is_count(value) else None
