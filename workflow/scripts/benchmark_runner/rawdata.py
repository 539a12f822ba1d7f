"""raw_data/<engine>.json: all launches of one engine, one JSON document in lines that can be read one by one.

A campaign of a million iterations makes files of gigabytes, of which most stages need no iteration at all. So the head
of each launch (its record without the iterations) stands on one line and its iterations on the next, and what is said
of all launches on the last: a reader of heads skips every other line, a reader of iterations holds one launch.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import orjson

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import parse_bulk, read_bulk

FIRST_LINE: Final = b'{"launches": ['
HEAD_ENDS: Final = b', "iterations":'
LAST_LINE: Final = b"], "

Record = Mapping[str, Any]


def without_iterations(record: Record) -> dict[str, Any]:
    """Head of a record."""
    return {key: value for key, value in record.items() if key != "iterations"}


def _text(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False, ensure_ascii=False).encode()


def _iterations_text(iterations: Sequence[Mapping[str, Any]]) -> bytes:
    """One line of JSON; orjson writes what holds no fractions, since it would write NaN as null."""
    return _text(iterations) if any("margins" in one for one in iterations) else orjson.dumps(iterations)


def _write(file: IO[bytes], records: Iterable[Record], describe: Callable[[list[Record]], Mapping[str, Any]]) -> int:
    heads: list[Record] = []
    file.write(FIRST_LINE)
    for record in records:
        head = without_iterations(record)
        separator = b"," if heads else b""
        file.write(separator + b"\n" + _text(head)[:-1] + HEAD_ENDS + b"\n")
        file.write(_iterations_text(record["iterations"]))
        file.write(b"}")
        heads.append(head)
    file.write(b"\n" + LAST_LINE + _text(describe(heads))[1:] + b"\n")
    return len(heads)


def write_raw(path: Path, records: Iterable[Record], describe: Callable[[list[Record]], Mapping[str, Any]]) -> int:
    """Write the launches as they come, and what describe says of their heads; atomically. Number of launches."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            count = _write(file, records, describe)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _broken(path: Path, what: str) -> BenchmarkError:
    return BenchmarkError(f"{path} is not valid JSON ({what}); delete it and run again")


def _is_in_lines(path: Path) -> bool:
    if not path.is_file():
        raise BenchmarkError(f"{path} is missing; run the stage that makes it again")
    with path.open("rb") as file:
        return file.readline().rstrip() == FIRST_LINE


def _lines(path: Path) -> Iterator[tuple[bytes, bytes | None]]:
    """(head, iterations) of each launch as JSON texts, at last (what is said of all, None)."""
    with path.open("rb") as file:
        file.readline()
        while line := file.readline():
            if line.startswith(LAST_LINE):
                yield b"{" + line.removeprefix(LAST_LINE), None
                return
            head = line.rstrip(b"\n")
            if not head.endswith(HEAD_ENDS):
                raise _broken(path, "a launch begins in the middle of a line")
            yield head.removesuffix(HEAD_ENDS) + b"}", file.readline()
    raise _broken(path, "its end is missing")


def read_heads(path: Path) -> dict[str, Any]:
    """The document with the launches' heads; their iterations are skipped. Raises BenchmarkError as read_json does."""
    if not _is_in_lines(path):
        whole: dict[str, Any] = read_bulk(path)
        return {**whole, "launches": list(map(without_iterations, whole["launches"]))}
    heads: list[Any] = []
    for text, iterations in _lines(path):
        if iterations is None:
            return {**parse_bulk(path, text), "launches": heads}
        heads.append(parse_bulk(path, text))
    raise _broken(path, "its end is missing")


def each_record(path: Path) -> Iterator[dict[str, Any]]:
    """The launches' whole records, one at a time; raises BenchmarkError as read_json does."""
    if not _is_in_lines(path):
        yield from read_bulk(path)["launches"]
        return
    for text, iterations in _lines(path):
        if iterations is not None:
            yield {
                **parse_bulk(path, text),
                "iterations": parse_bulk(path, iterations.rstrip(b"\n,").removesuffix(b"}")),
            }
