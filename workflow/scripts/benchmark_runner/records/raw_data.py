"""raw_data/<engine>.json: all launches of one engine, one JSON document in lines that can be read one by one.

A campaign of a million iterations makes files of gigabytes, of which most stages need no iteration at all. So the head
of each launch (its record without the iterations) stands on one line and its iterations (of a launch under load its
requests) on the next, and what is said of all launches on the last: a reader of heads skips every other line, a reader
of iterations holds one launch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import simdjson

from benchmark_runner.errors import MADE_AGAIN, BenchmarkError
from benchmark_runner.jsonio import made_file, parse_bulk, plain, read_bytes, written_whole
from benchmark_runner.protocol.requests import is_load
from benchmark_runner.records import checksum
from benchmark_runner.records.parsed_iterations import Iterations, read_ids, read_iterations, read_plain
from benchmark_runner.records.parsed_requests import Requests, read_requests
from benchmark_runner.records.soundness import (
    REMEDY,
    UnsoundRecordError,
    require_sound,
    wrong_head,
    wrong_iterations,
    wrong_load,
)
from benchmark_runner.schemas import first_violation, require_valid
from benchmark_runner.terminal import printable

FIRST_LINE: Final = b'{"launches": ['
HEAD_ENDS: Final = b', "iterations":'
LAST_LINE: Final = b"], "
REQUESTS_BEGIN: Final = b'[], "requests": '
"""A launch under load has no iterations."""

ITERATIONS_BEGIN: Final = b'"iterations": [{'
ITERATIONS_END: Final = b"}]"
"""The first one is the end of sound iterations, which hold no list of objects."""

_AT_ONCE_BYTES: Final = 2**16
"""Faster here than less and than more."""

Head = Mapping[str, Any]


@dataclass(frozen=True)
class RawRecord:
    """What one launch measured: its record without iterations and requests, and these as one line of JSON."""

    head: Head
    iterations: bytes | memoryview

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> RawRecord:
        """Of a parsed record; ValueError for a number that JSON has not."""
        measured = _text(record["iterations"])
        if "requests" in record:
            measured += REQUESTS_BEGIN.removeprefix(b"[]") + _text(record["requests"])
        return cls(without_iterations(record), measured)


def without_iterations(record: Mapping[str, Any]) -> dict[str, Any]:
    """Head of a record, parsed or as parse_bulk gives it; under load without the prompts of its requests, which may be
    millions of ids and stay in the launch's own record."""
    # simdjson's items() would make Python's objects of the iterations as well.
    head = {key: plain(record[key]) for key in record if key not in ("iterations", "requests")}
    if isinstance(spec := head.get("spec"), dict) and is_load(spec):
        cases = [{name: part for name, part in case.items() if name != "prompts"} for case in spec["cases"]]
        head["spec"] = {**spec, "cases": cases}
    return head


def _text(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False, ensure_ascii=False).encode()


def _place_of_iterations(text: bytes) -> tuple[int, int] | None:
    """Where a record's iterations begin and end; None where they do not stand on one line as launches write them."""
    begin = text.find(ITERATIONS_BEGIN)
    start = begin + len(ITERATIONS_BEGIN) - len(b"[{")
    end = text.find(ITERATIONS_END, start) + len(ITERATIONS_END)
    return None if begin < 0 or end < start or text.find(b"\n", start, end) >= 0 else (start, end)


def _read_in_parts(path: Path, text: bytes, parser: simdjson.Parser) -> RawRecord | None:
    """The record without a look at most of its text; None where only the schema can tell whether all is as it asks."""
    place = _place_of_iterations(text)
    if place is None:
        return None
    start, end = place
    iterations = memoryview(text)[start:end]
    try:
        columns = read_plain(parse_bulk(path, iterations, parser), text.count(b"[", start, end))
        if columns is None:
            return None
        head = plain(parse_bulk(path, text[:start] + b"[]" + text[end:], parser))
    except BenchmarkError:  # broken, or parted at the wrong place: what is wrong is told of the whole text
        return None
    if not isinstance(head, dict) or head.get("iterations") != []:
        return None
    require_valid("record", head, str(path))
    require_sound(head, *columns, str(path))
    return RawRecord(without_iterations(head), iterations)


def _read_whole(path: Path, text: bytes, parser: simdjson.Parser) -> RawRecord:
    content = parse_bulk(path, text, parser)
    record = plain(content)
    require_valid("record", record, str(path))
    require_sound(record, read_iterations(content["iterations"]), read_ids(content["iterations"]), str(path))
    return RawRecord.of(record)


def parse_record(path: Path, text: bytes, parser: simdjson.Parser) -> RawRecord:
    """A launch's record from the text of its file; raises BenchmarkError where it is broken or breaks its schema.

    UnsoundRecordError where it was changed since it was written, or says ok and lacks what its own spec asks for.
    """
    record = _read_in_parts(path, text, parser) or _read_whole(path, text, parser)
    if checksum.KEY in record.head and not checksum.is_unchanged(text):
        raise UnsoundRecordError(f"{path}: is not what the launch wrote, by its checksum")
    return record


def read_record(path: Path, parser: simdjson.Parser) -> RawRecord:
    """The same of a file; raises BenchmarkError that says what to do, where it is missing too."""
    try:
        return parse_record(path, read_bytes(path), parser)
    except UnsoundRecordError as error:
        raise BenchmarkError(f"{error}; {REMEDY}") from None


def write_raw(path: Path, records: Iterable[RawRecord], describe: Callable[[list[Head]], Mapping[str, Any]]) -> int:
    """Write the launches as they come, and what describe says of their heads; atomically. Number of launches."""
    heads: list[Head] = []
    with written_whole(path) as partial, partial.open("xb") as file:
        file.write(FIRST_LINE)
        for record in records:
            separator = b"," if heads else b""
            file.write(separator + b"\n" + _text(record.head)[:-1] + HEAD_ENDS + b"\n")
            file.write(record.iterations)
            file.write(b"}")
            heads.append(record.head)
        file.write(b"\n" + LAST_LINE + _text(describe(heads))[1:] + b"\n")
    return len(heads)


def _broken(path: Path, what: str) -> BenchmarkError:
    return BenchmarkError(f"{path} is not valid JSON ({what}); move it away and run again")


def _is_in_lines(path: Path) -> bool:
    with made_file(path), path.open("rb") as file:
        return file.readline().rstrip() == FIRST_LINE


def _lines(path: Path) -> Iterator[tuple[bytes, memoryview | None]]:
    """(head, iterations) of each launch as JSON texts, at last (what is said of all, None).

    Read, not mapped: where a mapped file is cut, the system ends the process without a word.
    """
    with path.open("rb", buffering=_AT_ONCE_BYTES) as file:
        file.readline()
        while line := file.readline():
            if line.startswith(LAST_LINE):
                yield b"{" + line.removeprefix(LAST_LINE), None
                return
            head = line.rstrip(b"\n")
            if not head.endswith(HEAD_ENDS):
                raise _broken(path, "a launch begins in the middle of a line")
            text = file.readline()
            if not text.endswith((b"}\n", b"},\n")):
                break
            with memoryview(text) as whole, whole[: text.rindex(b"}")] as iterations:
                yield head.removesuffix(HEAD_ENDS) + b"}", iterations
    raise _broken(path, "its end is missing")


def read_heads(path: Path) -> dict[str, Any]:
    """The document with the launches' heads; their iterations are skipped. Raises BenchmarkError as read_json does."""
    parser = simdjson.Parser()
    if not _is_in_lines(path):
        whole = parse_bulk(path, read_bytes(path), parser)
        said = {key: plain(whole[key]) for key in whole if key != "launches"}
        return {**said, "launches": list(map(without_iterations, whole["launches"]))}
    heads: list[Any] = []
    for text, iterations in _lines(path):
        content = plain(parse_bulk(path, text, parser))
        if iterations is None:
            return {**content, "launches": heads}
        heads.append(content)
    raise _broken(path, "its end is missing")


def _columns(path: Path, head: Head, iterations: Any, requests: Any) -> Iterations | Requests:
    """Columns of a launch's parsed iterations, or requests; BenchmarkError where they are of another shape than the
    launch's spec asks for."""
    try:
        if requests is not None:
            return _columns_of_load(path, head, plain(requests))
        columns = read_iterations(iterations)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise _broken(path, f"iterations of another shape: {error}") from error
    if head.get("status") == "ok" and (wrong := wrong_iterations(head["spec"], columns)) is not None:
        raise _broken(path, f"a launch {wrong}")
    return columns


def _columns_of_load(path: Path, head: Head, requests: list[Any]) -> Requests:
    if head.get("status") == "ok" and (wrong := wrong_load(head, requests)) is not None:
        raise _broken(path, f"a launch {wrong}")
    return read_requests(requests)


def each_launch(path: Path) -> Iterator[tuple[Head, Iterations | Requests]]:
    """Head and iterations, under load requests, of the launches, one at a time; raises BenchmarkError as read_json
    does."""
    parser = simdjson.Parser()
    if not _is_in_lines(path):
        for record in parse_bulk(path, read_bytes(path), parser)["launches"]:
            head = without_iterations(record)
            yield head, _columns(path, head, record["iterations"], record.get("requests"))
        return
    for text, iterations in _lines(path):
        if iterations is not None:
            head = plain(parse_bulk(path, text, parser))
            if bytes(iterations[: len(REQUESTS_BEGIN)]) == REQUESTS_BEGIN:
                with iterations[len(REQUESTS_BEGIN) :] as requests:
                    yield head, _columns(path, head, None, parse_bulk(path, requests, parser))
            else:
                yield head, _columns(path, head, parse_bulk(path, iterations, parser), None)


def _wrong_launch(engine: str, cases: Mapping[str, int], head: Any) -> str | None:
    """In which way an entry of raw data is no head of a launch of the engine; cases has their number by workload."""
    if (found := first_violation("record", {**head, "iterations": []} if isinstance(head, dict) else head)) is not None:
        return found
    if head["engine"] != engine or head["workload"] not in cases:
        return f"is of {head['engine']} on {head['workload']}"
    if head["status"] != "ok":
        return None
    return wrong_head(head) or (
        None if len(head["spec"]["cases"]) == cases[head["workload"]] else "has other test cases than its workload"
    )


def require_raw_data(path: Path) -> None:
    """Raise BenchmarkError that names the file and what in it is not as collect writes it; looks at heads alone."""
    try:
        content = read_heads(path)
    except (AttributeError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{path}: has no launches; {MADE_AGAIN}") from error
    wrong = first_violation("raw_data", content)
    if wrong is None and content["fidelity"] is not None:
        found = first_violation("fidelity", content["fidelity"])
        wrong = None if found is None else f"fidelity: {found}"
    if wrong is None and content["engine"] != path.stem:
        wrong = f"engine: is {content['engine']}"
    if wrong is None:
        cases = {entry["name"]: len(entry["cases"]) for entry in content["workloads"]}
        told = (
            f"launches.{index}: {what}"
            for index, head in enumerate(content["launches"])
            if (what := _wrong_launch(content["engine"], cases, head)) is not None
        )
        wrong = next(told, None)
    if wrong is not None:
        raise BenchmarkError(f"{path}: {printable(wrong):.600}; {MADE_AGAIN}")
