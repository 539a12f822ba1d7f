"""A trace that the user brings: when requests came, and of how many tokens; one window of it is replayed."""

from __future__ import annotations

import csv
import io
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmark_runner.errors import BenchmarkError
from benchmark_runner.namedfile import read_named_data, telling
from benchmark_runner.units import NS_PER_S

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "timestamp": ("timestamp", "arrival_time", "time"),
    "prompt_tokens": ("prompt_tokens", "contexttokens", "input_tokens", "input_length"),
    "output_tokens": ("output_tokens", "generatedtokens", "completion_tokens", "output_length"),
}
"""Names that a column may have in the header, whatever their case."""

MOST_SHARED: Final = 0.05
"""Share of requests with the very time of another from which on the times count as rounded (chosen)."""


LATEST_S: Final = 1e12
"""Beyond any date in seconds, and before today's in milliseconds (chosen): those would be replayed a thousand times too
slowly."""


class Row(NamedTuple):
    """One request of a trace; tokens are None where the file has times alone."""

    line: int
    time_s: float
    prompt_tokens: int | None = None
    output_tokens: int | None = None


def _time_s(text: str) -> float:
    """Seconds of a number or of a date with a time of day; raises ValueError."""
    try:
        seconds = float(text)
    except ValueError:
        stamp = datetime.fromisoformat(text)
        seconds = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    if not abs(seconds) < LATEST_S:
        raise ValueError(f"{text} is no time in seconds")
    return seconds


def _tokens(text: str) -> int:
    if (tokens := int(text)) < 1:
        raise ValueError(f"{tokens} is no number of tokens, from 1 on")
    return tokens


def _places(header: Sequence[str]) -> dict[str, int]:
    """Column of each field; raises ValueError where the header names no time, or one of the lengths alone."""
    names = [name.strip().lower() for name in header]
    told = [(field, place) for place, name in enumerate(names) for field, known in COLUMNS.items() if name in known]
    found = dict(told)
    if len(found) < len(told):
        raise ValueError(f"the header {','.join(header)!r:.80} has two columns for one thing")
    if "timestamp" not in found or len(found) == 2:
        raise ValueError(f"the header is {','.join(header)!r:.80}, not timestamp,prompt_tokens,output_tokens")
    return found


def _rows(text: str) -> Iterator[Row]:
    """The requests of a file; raises ValueError that names the line."""
    places, reader = {"timestamp": 0}, csv.reader(io.StringIO(text, newline=""))
    try:
        for number, cells in enumerate(reader):
            if not any(cells):
                continue
            if number == 0 and (len(cells) > 1 or cells[0].strip().lower() in COLUMNS["timestamp"]):
                places = _places(cells)
                continue
            if len(cells) <= max(places.values()):
                raise ValueError(f"it has {len(cells)} columns, fewer than the header")
            values = {field: cells[place].strip() for field, place in places.items()}
            for value in values.values():  # Python's numbers may have them
                if "_" in value or not value.isascii():
                    raise ValueError(f"{value!r:.80} is no number")
            tokens = {field: _tokens(value) for field, value in values.items() if field != "timestamp"}
            yield Row(reader.line_num, _time_s(values["timestamp"]), **tokens)
    except (ValueError, csv.Error) as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None


@lru_cache(maxsize=4)
def _parsed(text: str) -> tuple[Row, ...]:
    rows = tuple(_rows(text))
    for before, after in pairwise(rows):
        if after.time_s < before.time_s:
            raise ValueError(f"line {after.line}: its time goes back behind the line before; sort the file by time")
    if not rows or rows[0].time_s == rows[-1].time_s:
        raise ValueError("it holds no two different times; a trace needs them")
    return rows


def read_trace(path: Path) -> tuple[Row, ...]:
    """All requests of a file: CSV with a header, or a time in seconds on each line; raises BenchmarkError."""
    with telling(path):
        text = read_named_data(path)
    try:
        return _parsed(text)
    except ValueError as error:
        raise BenchmarkError(
            f"{str(path)!r} is no trace: {error}. Give it a header timestamp,prompt_tokens,output_tokens, or a time in "
            "seconds on each line"
        ) from None


class Window(NamedTuple):
    """The part of a trace that a level replays: warm-up, measured requests, and those that keep the load up."""

    rows: Sequence[Row]
    arrivals_ns: Sequence[int]
    rate: float
    """Measured arrivals a second."""


def window_of(rows: Sequence[Row], load: Mapping[str, Any]) -> Window:
    """The window that a level of plan.json replays; raises BenchmarkError where the trace ends before it does."""
    start_s, speed = load["trace_start_seconds"], load["trace_speed"]
    first = bisect_left(rows, rows[0].time_s + start_s, key=lambda row: row.time_s)
    kept, warmup, requests = rows[first:], load["warmup_requests"], load["requests"]
    offsets = [(row.time_s - kept[0].time_s) / speed for row in kept]
    needed = warmup + (requests or 1)
    told = f"the trace has {len(kept)} requests from {start_s:g} s on"
    if len(kept) < needed or (requests or 2) < 2:
        raise BenchmarkError(
            f"{told}, and the level takes {max(needed, warmup + 2)} with its warm-up; lower requests or the start"
        )
    begun_s = offsets[warmup]
    if requests is None:
        measured_s = float(load["duration_seconds"])
        gaps = bisect_left(offsets, begun_s + measured_s) - warmup
        if offsets[-1] < begun_s + measured_s:
            raise BenchmarkError(f"{told}, in {offsets[-1]:.4g} s at this speed; shorten duration_seconds")
    else:
        gaps, measured_s = requests - 1, offsets[warmup + requests - 1] - begun_s
        if measured_s == 0:
            raise BenchmarkError(f"{told}, and the measured ones all come at one time; ask for more of them")
    # Fillers arrive for as long again as the measured ones; one more tells when that is over.
    count = bisect_right(offsets, begun_s + 2 * measured_s) + 1
    arrivals_ns = [round(offset_s * NS_PER_S) for offset_s in offsets[:count]]
    return Window(kept[:count], arrivals_ns, gaps / measured_s)


def lengths_in(window: Window, field: str, lengths: Mapping[str, Any]) -> dict[str, Any]:
    """`prompt_lengths` or `answer_lengths` of plan.json: of each request its own, cut where min and max are given.

    field is the column, prompt_tokens or output_tokens; raises BenchmarkError where the trace has none.
    """
    least, most = lengths.get("min", 1), lengths.get("max")
    found = [getattr(row, field) for row in window.rows]
    if None in found:
        raise BenchmarkError("the trace has times alone; give it the columns prompt_tokens and output_tokens")
    each = [max(least, tokens if most is None else min(tokens, most)) for tokens in found]
    cut = sum(before != after for before, after in zip(found, each, strict=True))
    return {"distribution": "trace", "min": min(each), "max": max(each), "lengths": each, "cut": cut}


def _rounded(arrivals_ns: Sequence[int]) -> str | None:
    counts = Counter(arrivals_ns)
    shared = sum(count for count in counts.values() if count > 1)
    if shared <= MOST_SHARED * len(arrivals_ns):
        return None
    return (
        f"{shared} of {len(arrivals_ns)} requests have the very time of another: the file's times are rounded, and "
        f"what came one after another arrives in bursts of up to {max(counts.values())}"
    )


def notes_of(workloads: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each thing that a replayed trace of plan.json is not as its file has it, or as it happened."""
    for workload in workloads:
        for case in workload["cases"]:
            if case.get("load", {}).get("arrivals") != "trace":
                continue
            told = [_rounded(case["load"]["arrivals_ns"])]
            for what, key in (("prompts", "prompt_lengths"), ("answers", "answer_lengths")):
                lengths = case.get(key, {})
                if lengths.get("cut"):
                    told.append(f"{lengths['cut']} of {len(lengths['lengths'])} {what} are cut at min or max")
            if any(told):
                yield f"{workload['name']}, {case['name']}: {'; '.join(filter(None, told))}"
