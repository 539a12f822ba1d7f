"""What the stub answers: which bytes, and when after a request's start; also every fault that a server may have."""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from benchmark_runner.errors import BenchmarkError

VOCABULARY: Final = 256
"""Fewer than any model has, so that the ids are ids of whichever a campaign measures."""
FIRST_ID: Final = 3
"""The ids before it are those that many tokenizers keep for marks."""

SENT_NS: Final = b"@sent_ns@___________"
"""Stands for the time of the send in an event, 20 characters wide, so that a chunk's size is known before."""

PING: Final = b": ping\n\n"
MS: Final = 1_000_000

MODES: Final[Mapping[str, str]] = {
    "cache": "a prompt that was seen before is answered after a tenth of the TTFT; its tokens are said to be cached",
    "cached": "=N: says that N tokens of the prompt were cached",
    "chunk": "=N: N tokens in each event, at N times the gap",
    "close": "the body ends with the connection: no length, no chunks",
    "crlf": "lines end with CRLF",
    "cut": "the connection is closed after half the tokens",
    "empty": "an event with empty text and no id is sent at once",
    "eos": "the sequence ends after half the tokens; the id of its end is not told, and usage counts its step",
    "error": "an event that tells an error after half the tokens, in an answer of status 200",
    "fewer": "half the tokens are sent; usage says all",
    "hang": "nothing comes behind the head, and the connection stays",
    "held": "the middle half of the tokens is withheld, then the last of them is sent alone (half a character waits)",
    "model": "each event says that another model was asked, whatever was",
    "mixed": "beside another request the ids are the answer to that one",
    "joined": "=N: N events are sent at once, at the time of the last",
    "no_blank": "events without the empty line after them",
    "no_done": "no [DONE] at the end",
    "no_ids": "no ids of tokens",
    "nonsense": "an event that is no JSON after half the tokens",
    "ping": "comments before each event",
    "reasoning": "the first half of the tokens is reasoning (of chat)",
    "slow": "=MS: the first token comes so many ms later",
    "split": "=SEED: each event is sent in fragments cut at random",
    "status": "=N: refused with this HTTP status",
    "timings": "the last event tells its own clock, as llama.cpp does",
    "unfinished": "the body ends as it should after half the tokens, without a finish_reason",
    "usage": "=N: usage says N tokens more (or fewer) than there are",
    "withheld": "after the first token all others are held back to the end and sent at once",
}


class Request(NamedTuple):
    """What a request asks for."""

    prompt: tuple[int, ...]
    max_tokens: int
    stream: bool
    chat: bool
    modes: Mapping[str, int]
    answered: tuple[int, ...] = ()
    """The prompt whose answer it gets in place of its own."""


class Delays(NamedTuple):
    """The known delays, nanoseconds."""

    ttft_ns: int
    gap_ns: int

    def service_ns(self, tokens: int) -> int:
        """From the start of an answer to its last token."""
        return self.ttft_ns + (tokens - 1) * self.gap_ns


class Send(NamedTuple):
    """One send: so long after the answer's start, these bytes with so many tokens; close: then the connection."""

    after_ns: int
    data: bytes
    tokens: int = 0
    close: bool = False


def modes_of(text: str) -> dict[str, int]:
    """Faults by name from `cut`, `cached=16`, `ping,crlf`; raises BenchmarkError for one that is none."""
    modes = {}
    for word in filter(None, text.split(",")):
        name, _, value = word.partition("=")
        takes_number = MODES.get(name, "").startswith("=")
        if name not in MODES or not re.fullmatch("-?[0-9]{1,6}" if takes_number else "", value):
            raise BenchmarkError(f"mode {word} of the stub is none; there are: {', '.join(sorted(MODES))}")
        modes[name] = int(value or 1)
    return modes


def answer_ids(prompt: Sequence[int], count: int) -> list[int]:
    """The ids of an answer, a pure function of the prompt; a prompt with half its answer gets the other half."""
    state = 0
    for token in prompt:
        state = zlib.crc32(token.to_bytes(8, "little"), state)
    ids: list[int] = []
    for _ in range(count):
        ids.append(FIRST_ID + state % (VOCABULARY - FIRST_ID))
        state = zlib.crc32(ids[-1].to_bytes(8, "little"), state)
    return ids


def request_of(body: Any, *, chat: bool, default: Mapping[str, int]) -> Request:
    """A request from its JSON body; raises BenchmarkError where it is none."""
    if not isinstance(body, dict):
        raise BenchmarkError("the body is no JSON object")
    prompt = body.get("messages" if chat else "prompt")
    if isinstance(prompt, list) and prompt and all(type(token) is int and 0 <= token < 2**63 for token in prompt):
        ids = tuple(prompt)
    elif prompt and isinstance(prompt, list if chat else str):
        ids = tuple(json.dumps(prompt).encode() if chat else str(prompt).encode())
    else:
        raise BenchmarkError("the prompt is neither text nor ids")
    tokens = body.get("max_tokens", 16)
    if type(tokens) is not int or not 0 < tokens <= 100_000:
        raise BenchmarkError("max_tokens is no number of tokens")
    modes = modes_of(body["stub_mode"]) if isinstance(body.get("stub_mode"), str) else default
    return Request(ids, tokens, body.get("stream") is True, chat, modes)


def head(status: int, content_type: str, framing: str) -> bytes:
    """The head of an answer."""
    return f"HTTP/1.1 {status} Stub\r\nContent-Type: {content_type}\r\n{framing}\r\n\r\n".encode()


def whole(status: int, content: Any) -> bytes:
    """An answer that is no stream; text as it is, anything else as JSON."""
    text = content.encode() if isinstance(content, str) else json.dumps(content).encode()
    kind = "text/plain" if isinstance(content, str) else "application/json"
    again = "Retry-After: 1\r\n" if status in {429, 503} else ""
    return head(status, kind, f"{again}Content-Length: {len(text)}") + text


def failure(status: int, message: str) -> bytes:
    """An answer that tells an error as servers with this interface do."""
    return whole(status, {"error": {"message": message, "type": "stub", "code": status}})


def answer(request: Request, delays: Delays, cached: int, *, stamps: bool) -> Iterator[Send]:
    """All sends of an answer in order; cached: tokens of the prompt that a cache held; stamps: each tells when."""
    modes, tokens = request.modes, request.max_tokens
    if "status" in modes:
        yield Send(0, failure(modes["status"], "the stub was told to refuse"))
        return
    ids = answer_ids(request.answered or request.prompt, tokens)
    generated = tokens // 2 + 1 if "eos" in modes else tokens
    usage = _usage(request, generated + modes.get("usage", 0), modes.get("cached", cached))
    if not request.stream:
        sent = ids[: (tokens + 1) // 2] if "fewer" in modes else ids
        yield Send(delays.service_ns(tokens), whole(200, _whole_answer(request, sent, usage)), len(sent))
        return
    if "hang" in modes:
        yield from islice(_framed(modes, iter(())), 1)
        return
    whole_events = stamps and "split" not in modes  # a stamp could not be put into fragments
    yield from _framed(modes, _events(request, delays, ids, usage, whole_events))


def _usage(request: Request, tokens: int, cached: int) -> dict[str, Any]:
    return {
        "prompt_tokens": len(request.prompt),
        "completion_tokens": tokens,
        "total_tokens": len(request.prompt) + tokens,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def _text(ids: Sequence[int]) -> str:
    return "".join(f" t{token}" for token in ids)


def _whole_answer(request: Request, ids: Sequence[int], usage: Mapping[str, Any]) -> dict[str, Any]:
    said = {"message": {"role": "assistant", "content": _text(ids)}} if request.chat else {"text": _text(ids)}
    given = {} if "no_ids" in request.modes else {"token_ids": list(ids)}
    return {"choices": [{"index": 0, **said, **given, "finish_reason": "length"}], "usage": usage}


def _events(
    request: Request, delays: Delays, ids: Sequence[int], usage: Mapping[str, Any], stamps: bool
) -> Iterator[Send]:
    """The events of a stream, not framed yet; close: the server dies there."""
    modes, half = request.modes, len(ids) // 2
    broken = {"cut", "error", "nonsense", "unfinished"} & modes.keys()
    shown = half if broken or "eos" in modes else len(ids) - half if "fewer" in modes else len(ids)
    if request.chat:
        yield Send(0, _json({"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}))
    if "empty" in modes:
        yield Send(0, _json({"choices": [{"index": 0, "text": ""}]}))
    after_ns = 0
    for first, last, visible in _spans(modes, shown):
        after_ns = delays.service_ns(last)
        finish = "length" if last == shown and not broken and "eos" not in modes else None
        yield Send(after_ns, _token_event(request, ids[last - visible : last], first < half, finish, stamps), visible)
    if "eos" in modes:
        after_ns = delays.service_ns(shown + 1)
        yield Send(after_ns, _json({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]}))
    if "cut" in modes:
        yield Send(after_ns, b"", close=True)
    elif "error" in modes:
        yield Send(after_ns, _json({"error": {"message": "the stub fails here", "type": "stub", "code": 500}}))
    elif "nonsense" in modes:
        yield Send(after_ns, b"{no JSON")
    elif "unfinished" not in modes:
        own = {"prompt_ms": delays.ttft_ns / MS, "predicted_ms": (after_ns - delays.ttft_ns) / MS}
        timings = {"timings": own} if "timings" in modes else {}
        yield Send(after_ns, _json({"choices": [], "usage": usage, **timings}))
        if "no_done" not in modes:
            yield Send(after_ns, b"[DONE]")


def _spans(modes: Mapping[str, int], shown: int) -> Iterator[tuple[int, int, int]]:
    """From which token to which each event goes, and how many of them, from the last, it shows."""
    if "withheld" in modes and shown > 1:
        yield 0, 1, 1
        yield 1, shown, shown - 1
        return
    if "held" in modes:
        step, resumes = shown // 4, shown // 4 + max(shown // 2, 1)
        yield from ((first, first + 1, 1) for first in range(step))
        yield step, resumes, 1
        yield from ((first, first + 1, 1) for first in range(resumes, shown))
        return
    step = max(modes.get("chunk", 1), 1)
    for first in range(0, shown, step):
        last = min(first + step, shown)
        yield first, last, last - first


def _token_event(request: Request, ids: Sequence[int], early: bool, finish: str | None, stamps: bool) -> bytes:
    """Written by hand, which is faster than json: the stub must not fall behind."""
    said = f'"text":"{_text(ids)}"'
    if request.chat:
        kind = "reasoning_content" if early and "reasoning" in request.modes else "content"
        said = f'"delta":{{"{kind}":"{_text(ids)}"}}'
    given = "" if "no_ids" in request.modes else f'"token_ids":[{",".join(map(str, ids))}],'
    ended = f'"{finish}"' if finish else "null"
    sent = f',"sent_ns":{SENT_NS.decode()}' if stamps else ""
    kind = "chat.completion.chunk" if request.chat else "text_completion"
    kind += '","model":"made/Another-1B' if "model" in request.modes else ""
    return f'{{"object":"{kind}","choices":[{{"index":0,{said},{given}"finish_reason":{ended}}}]{sent}}}'.encode()


def _json(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _framed(modes: Mapping[str, int], events: Iterator[Send]) -> Iterator[Send]:
    """The sends of a stream: its head at once, events as lines of text in chunks, the end."""
    end = (b"\r\n" if "crlf" in modes else b"\n") * (1 if "no_blank" in modes else 2)
    ping = PING if "ping" in modes else b""
    chunked = "close" not in modes
    yield Send(0, head(200, "text/event-stream", "Transfer-Encoding: chunked" if chunked else "Connection: close"))
    if ping:
        yield Send(0, _chunk(ping, chunked))
    waiting = Send(0, b"")
    for number, event in enumerate(events, start=1):
        data = b"" if event.close else _chunk(ping + b"data: " + event.data + end, chunked)
        waiting = Send(event.after_ns, waiting.data + data, waiting.tokens + event.tokens, event.close)
        if event.close:
            yield waiting
            return
        if number % max(modes.get("joined", 1), 1) == 0:
            yield from _fragments(modes, waiting)
            waiting = Send(event.after_ns, b"")
    yield waiting._replace(data=waiting.data + (b"0\r\n\r\n" if chunked else b""), close=not chunked)


def _chunk(data: bytes, chunked: bool) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if chunked else data


def _fragments(modes: Mapping[str, int], send: Send) -> Iterator[Send]:
    """A send, in up to four fragments a quarter of a millisecond apart where that was asked for."""
    if "split" not in modes:
        yield send
        return
    size = len(send.data)
    draw = random.Random(f"{modes['split']} {send.after_ns} {size}")
    cuts = sorted(draw.randrange(1, size) for _ in range(3))
    for number, (first, last) in enumerate(zip([0, *cuts], [*cuts, size], strict=True)):
        tokens = send.tokens if last == size else 0
        yield Send(send.after_ns + number * MS // 4, send.data[first:last], tokens)
