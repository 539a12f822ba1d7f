"""What a server's own clocks and counters say of a level, beside what its client measured: a check, never in its place.

`clocks` of adapter.yaml's section server says where they are: in the last event of an answer, or as Prometheus text.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from benchmark_runner.load.asking import Asked, fetched
from benchmark_runner.load.chunks import trouble
from benchmark_runner.units import MS_PER_S, NS_PER_MS

_SAMPLE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{.*\})?[ \t]+([^ \t]+)(?:[ \t]+-?[0-9]+)?")
TIMEOUT_SECONDS: Final = 10.0
"""For the whole page of counters (chosen): what was measured waits for it."""


def _first_ms(asked: Asked) -> float | None:
    """From the whole request in the kernel to its first token."""
    written_ns, chunks = asked.exchange.written_ns, asked.answer.chunk_ns
    return None if written_ns is None or not chunks else (chunks[0] - written_ns) / NS_PER_MS


def _decode_ms(asked: Asked) -> float | None:
    """From its first token to its last."""
    chunks = asked.answer.chunk_ns
    return (chunks[-1] - chunks[0]) / NS_PER_MS if asked.answer.status == "ok" else None


def _whole_ms(asked: Asked) -> float | None:
    first_ms, decode_ms = _first_ms(asked), _decode_ms(asked)
    return None if first_ms is None or decode_ms is None else first_ms + decode_ms


OURS: Final[Mapping[str, Callable[[Asked], float | None]]] = {
    "ttft_ms": _first_ms,
    "decode_ms": _decode_ms,
    "e2e_ms": _whole_ms,
    "queue_ms": lambda _: None,
}
"""What the client measured of each quantity; a server's queue cannot be seen from outside."""


def samples_of(text: str) -> dict[str, float]:
    """Each sample of a page in Prometheus' text format, added up over its labels; what is no finite number is not."""
    found: dict[str, float] = {}
    for line in text.split("\n"):  # what else ends a line may stand in a label
        if (sample := _SAMPLE.fullmatch(line.strip())) is None:
            continue
        try:
            value = float(sample[2])
        except ValueError:
            continue
        if math.isfinite(value):
            found[sample[1]] = found.get(sample[1], 0.0) + value
    return found


def _row(
    name: str, ours: Sequence[float], theirs: float | None, theirs_count: int | None
) -> dict[str, float | int | str | None]:
    return {
        "name": name,
        "ours": fmean(ours) if ours else None,
        "theirs": theirs,
        "ours_count": len(ours),
        "theirs_count": theirs_count,
    }


class Clocks:
    """The clocks of one server (server.json)."""

    def __init__(self, server: Mapping[str, Any]) -> None:
        self._section: Mapping[str, Any] = server.get("clocks") or {}
        self._base_url: str = server["base_url"]

    def counters(self) -> Mapping[str, float] | None:
        """The server's page of counters now; None where it has none or does not give it, which is printed."""
        if "path" not in self._section:
            return None
        page = fetched(self._base_url, self._section["path"], None, TIMEOUT_SECONDS)
        if (problem := trouble(page)) is not None:
            print(f"the server's counters cannot be read: {problem}", file=sys.stderr)
            return None
        return samples_of(page.body.decode("utf-8", "replace"))

    def told(
        self, before: Mapping[str, float] | None, after: Mapping[str, float] | None, asked: Sequence[Asked]
    ) -> list[dict[str, Any]]:
        """Mean of each quantity, ours and the server's, over the requests of a stage; counts say over how many.

        before and after are its counters on either side of the stage.
        """
        rows = list(self._of_answers(asked))
        if before is not None and after is not None:
            rows += self._of_counters({name: value - before.get(name, 0.0) for name, value in after.items()}, asked)
        return rows

    def _of_answers(self, asked: Sequence[Asked]) -> Iterator[dict[str, Any]]:
        for name, key in self._section.get("answer", {}).items():
            told = [(one, value) for one in asked if (value := (one.answer.timings or {}).get(key)) is not None]
            ours = [value for one, _ in told if (value := OURS[name](one)) is not None]
            if told:
                yield _row(name, ours, fmean(value for _, value in told), len(told))

    def _of_counters(self, grown: Mapping[str, float], asked: Sequence[Asked]) -> Iterator[dict[str, Any]]:
        for name, metric in self._section.get("seconds", {}).items():
            count = round(grown.get(f"{metric}_count", 0))
            ours = [value for one in asked if (value := OURS[name](one)) is not None]
            if count > 0 and f"{metric}_sum" in grown:
                yield _row(name, ours, grown[f"{metric}_sum"] / count * MS_PER_S, count)
        for name, metric in self._section.get("counts", {}).items():
            if metric in grown:
                tokens = sum(sum(one.answer.chunk_tokens) for one in asked)
                ours = [float(tokens)] if name == "output_tokens" else []
                yield {**_row(name, ours, grown[metric], None), "ours_count": None}
