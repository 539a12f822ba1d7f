"""Prompts of the user's, one a line of JSON: read line by line, whatever the size of the file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, BinaryIO, Final, NamedTuple

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.namedfile import opened, reading, telling
from benchmark_runner.protocol.lines import each_key_once

LONGEST_LINE_BYTES: Final = 8 * 2**20
"""Above any prompt of a million tokens as text; what is longer is no line of prompts (chosen)."""

FORMS: Final = {
    "prompt": '{"prompt": text}',
    "messages": '{"messages": [{"role": …, "content": …}]}',
    "prompt_ids": '{"prompt_ids": [ids]}',
}
"""What a line may hold, by its key."""


class PromptLine(NamedTuple):
    """A prompt as model.prompts takes it, and the tokens that are to be generated; None: as the test case says."""

    line: int
    prompt: dict[str, Any]
    max_tokens: int | None


class Lines(NamedTuple):
    """What a file holds."""

    sha256: str
    prompts: int
    most_tokens: int
    """The greatest max_tokens of a line; 0 where none has one."""


def _is_text(value: Any) -> bool:
    """JSON may hold half of a surrogate pair, which no text is encoded with."""
    return isinstance(value, str) and bool(value) and value.encode(errors="ignore").decode() == value


def _are_messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and all(_is_text(one.get(key)) for key in ("role", "content")) for one in value)
    )


def _are_ids(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) is int and one >= 0 for one in value)


def _prompt_line(number: int, content: bytes) -> PromptLine:
    """One line; raises ValueError that says what is wrong with it."""
    try:
        value = json.loads(content, object_pairs_hook=each_key_once)
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8; save the file so") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error.msg}, column {error.colno}); write an object a line") from error
    given = [kind for kind in FORMS if isinstance(value, dict) and kind in value]
    if len(given) != 1:
        raise ValueError(
            f"it has {'several' if given else 'none'} of the prompts' keys; write {' or '.join(FORMS.values())}"
        )
    (kind,), what = given, value[given[0]]
    if kind == "prompt" and _is_text(what):
        prompt: dict[str, Any] = {"kind": "text", "text": what}
    elif kind == "messages" and _are_messages(what):
        prompt = {"kind": "messages", "messages": [{key: one[key] for key in ("role", "content")} for one in what]}
    elif kind == "prompt_ids" and _are_ids(what):
        prompt = {"kind": "ids", "prompt_ids": what}
    else:
        what_else = "empty or not of its kind, or holds half of a surrogate pair"
        raise ValueError(f"{kind} is {what_else}; write {FORMS[kind]}")
    tokens = value.get("max_tokens")
    if tokens is not None and (type(tokens) is not int or tokens < 1):
        raise ValueError(f"max_tokens is {tokens!r:.40}, no number of tokens; write a whole one from 1 on")
    return PromptLine(number, prompt, tokens)


def _line(file: BinaryIO) -> bytes:
    with reading():
        return file.readline(LONGEST_LINE_BYTES + 1)


def _each(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of each line; raises BenchmarkError that says what is wrong with the file or names the line."""
    with opened(path) as file:
        number = 0
        while content := _line(file):
            number += 1
            if len(content) > LONGEST_LINE_BYTES:
                raise BenchmarkError(f"line {number}: it is longer than 8 MiB; write a prompt a line")
            yield number, content


def _prompts(path: Path) -> Iterator[tuple[PromptLine | None, bytes]]:
    """Each line with its prompt; None where it is empty, or its prompt stood on a line before."""
    known: set[bytes] = set()
    for number, content in _each(path):
        if not content.strip():
            yield None, content
            continue
        try:
            line = _prompt_line(number, content)
        except (ValueError, RecursionError) as error:
            raise BenchmarkError(f"line {number}: {error}") from None
        digest = hashlib.blake2b(repr(line.prompt).encode(), digest_size=12).digest()
        yield None if digest in known else line, content
        known.add(digest)


@lru_cache(maxsize=8)
def _counted(path: Path, _size: int, _changed_ns: int) -> Lines:
    digest, prompts, most = hashlib.sha256(), 0, 0
    for line, content in _prompts(path):
        digest.update(content)
        if line is not None:
            prompts, most = prompts + 1, max(most, line.max_tokens or 0)
    return Lines(digest.hexdigest(), prompts, most)


def count_lines(path: Path) -> Lines:
    """Hash and size of a file whose every line is a prompt; raises BenchmarkError that names file and line."""
    with telling(path), opened(path) as file:
        state = os.fstat(file.fileno())
        found = _counted(path, state.st_size, state.st_mtime_ns)
        if not found.prompts:
            raise BenchmarkError("it holds no prompt; write a JSON object on each line")
        return found


def sampled_lines(path: Path, sha256: str, prompts: int, most: int) -> list[PromptLine]:
    """At most so many of a file's prompts, drawn by its content alone, in its order.

    Raises BenchmarkError where it is not the file that was planned with.
    """
    chosen = set(Random(sha256).sample(range(prompts), min(most, prompts)))
    digest, found, place = hashlib.sha256(), [], 0
    with telling(path):
        for line, content in _prompts(path):
            digest.update(content)
            if line is not None:
                found += [line] if place in chosen else []
                place += 1
        if digest.hexdigest() != sha256:
            raise BenchmarkError("it has changed since the plan was made; run again")
    return found
