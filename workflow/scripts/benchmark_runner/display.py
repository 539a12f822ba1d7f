"""How figures are shown to people: units chosen to fit, three significant digits, intervals and ratios."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from benchmark_runner.terminal import visible
from benchmark_runner.units import MS_PER_MINUTE, MS_PER_S, US_PER_MS

S_PER_MIN: Final = 60.0
MIN_PER_H: Final = 60.0
BYTES_PER_KB: Final = 1e3
BYTES_PER_MB: Final = 1e6
BYTES_PER_GB: Final = 1e9
# Three digits tell 1 part in 100 to 1,000 apart, which is finer than any interval that these campaigns reach.
DIGITS: Final = 3
MOST_DIGITS: Final = 5  # chosen: a ten-thousandth is finer than what any campaign resolves
FEWEST_STEPS: Final = 2  # of the last digit that an interval of ratios spans, so that rounding keeps its width roughly
STRUCK: Final = "not ranked: another computation"
"""Beside the name of an engine that failed the fidelity check."""

ABSENT: Final = "—"
TIMES: Final = "\N{MULTIPLICATION SIGN}"


def significant(value: float, digits: int = DIGITS) -> str:
    """The value with that many significant digits, in plain notation and with no more than its integer part needs."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(float(f"{value:.{digits - 1}e}")))))
    return f"{value:,.{decimals}f}"


def number_pair(low: float, high: float) -> tuple[str, str]:
    """Both ends of an interval of ratios, with further digits where the usual ones hide its width or that an end is not
    1."""
    for digits in range(DIGITS, MOST_DIGITS + 1):
        texts = significant(low, digits), significant(high, digits)
        step = 10.0 ** -min(len(text.partition(".")[2]) for text in texts)
        sides_kept = all(
            (float(text.replace(",", "")) == 1.0) == (end == 1.0) for text, end in zip(texts, (low, high), strict=True)
        )
        if high - low >= FEWEST_STEPS * step and sides_kept:
            return texts
    return significant(low), significant(high)


def percent(share: float, digits: int = 0) -> str:
    """A share as "95 %"."""
    return f"{100 * share:.{digits}f} %"


def plural(count: int, noun: str) -> str:
    """The count with its noun, as 1 launch, 2 launches."""
    ending = "" if count == 1 else ("es" if noun.endswith(("ch", "s", "x")) else "s")
    return f"{count:,} {noun}{ending}"


def milliseconds(value_ms: float | None, digits: int = DIGITS) -> str:
    """A time given in ms, shown in µs, ms, s, min or h."""
    if value_ms is None:
        return ABSENT
    factor, unit = time_unit(value_ms)
    return f"{significant(value_ms * factor, digits)} {unit}"


def time_unit(value_ms: float) -> tuple[float, str]:
    """Factor from ms and name of the unit in which a time of that size reads well."""
    size = abs(value_ms)
    if size >= MS_PER_S * S_PER_MIN * MIN_PER_H:
        return 1 / (MS_PER_S * S_PER_MIN * MIN_PER_H), "h"
    if size >= 2 * MS_PER_S * S_PER_MIN:
        return 1 / (MS_PER_S * S_PER_MIN), "min"
    if size >= MS_PER_S:
        return 1 / MS_PER_S, "s"
    if size >= 1 or size == 0:
        return 1.0, "ms"
    return US_PER_MS, "µs"


def bytes_text(value_bytes: float | None) -> str:
    """A size in bytes, kB, MB or GB, powers of ten."""
    if value_bytes is None:
        return ABSENT
    return estimate_parts({"point": value_bytes, "low": None, "high": None}, "bytes")[0]


def ratio_text(ratio: dict[str, Any] | None) -> str:
    """A ratio with its interval, as 1.23x (1.20 to 1.26) with a multiplication sign."""
    if ratio is None:
        return ABSENT
    if ratio["low"] is None:
        return f"{significant(ratio['point'])}{TIMES}"
    return f"{significant(ratio['point'])}{TIMES} ({' to '.join(number_pair(ratio['low'], ratio['high']))})"


def estimate_text(estimate: dict[str, Any] | None, unit: str) -> str:
    """An estimate {point, low, high} with its interval, in one unit that fits the point."""
    if estimate is None:
        return ABSENT
    text, span = estimate_parts(estimate, unit)
    return text if span is None else f"{text} ({span})"


def estimate_parts(estimate: Mapping[str, Any], unit: str) -> tuple[str, str | None]:
    """(point with its unit, its interval in the same unit); the interval is None where there is none or no width that
    the digits show."""
    factor, shown = _factor(estimate["point"], unit)

    def text(value: float) -> str:
        return f"{value:,.0f}" if shown == "bytes" else significant(value * factor)  # no part of a byte

    point = text(estimate["point"])
    ends = [text(estimate[end]) for end in ("low", "high") if estimate["low"] is not None]
    return f"{point} {shown}", " to ".join(ends) if {*ends} - {point} else None


def _factor(value: float, unit: str) -> tuple[float, str]:
    if unit == "minutes":
        factor, shown = time_unit(value * MS_PER_MINUTE)
        return factor * MS_PER_MINUTE, shown
    if unit == "ms":
        return time_unit(value)
    if unit == "bytes":
        sizes = ((BYTES_PER_GB, "GB"), (BYTES_PER_MB, "MB"), (BYTES_PER_KB, "kB"))
        return next(((1 / size, shown) for size, shown in sizes if abs(value) >= size), (1.0, "bytes"))
    return 1.0, unit


class Markdown(str):
    """Text that is Markdown already, whatever in it came from outside escaped."""

    __slots__ = ()


# What starts a tag, an entity, a link, code, emphasis or a cell; an underscore within a word starts nothing.
_SPANS: Final = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;"}
# What makes a heading, a list, a quotation or a rule of the line that it begins.
_BLOCK: Final = re.compile(r"(#+|[-+=]+|\d+(?=[.)]))(?=[.)]?(?:\s|$))|>")


def markdown(text: Any) -> Markdown:
    """Words from anywhere as one line of Markdown that shows them as they are: no tag, link, cell or heading in it."""
    if isinstance(text, Markdown):
        return text
    line = _SPANS.sub(r"\\\g<0>", visible(" ".join(str(text).split())))
    line = "".join(_ENTITIES.get(one, one) for one in line)
    start = _BLOCK.match(line)
    if start is None:
        return Markdown(line)
    place = start.end() if start[0].isdigit() else 0
    return Markdown(f"{line[:place]}\\{line[place:]}")


def markdown_code(text: Any) -> Markdown:
    """Words from anywhere as a code span, also within a table."""
    line = visible(" ".join(str(text).split())).replace("`", "'").replace("|", "\\|")
    return Markdown(f"`{line}`")


def fenced(text: str, language: str) -> str:
    """A block of code whose fence no line of the text can end."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table; cells that are not Markdown already are escaped."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(map(markdown, cells))} |"

    return [line(header), f"|{' --- |' * len(header)}", *map(line, rows)]
