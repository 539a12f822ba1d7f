"""Numbers on the page: each is read from a document at a JSON pointer, and carries that pointer and its whole value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from markupsafe import Markup

from benchmark_runner.display import bytes_text, estimate_parts, milliseconds, significant
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.report.inputs import ReportInputs

DocumentName = Literal["summary", "statistics", "performance", "business"]
FILES: Final[dict[DocumentName, str]] = {
    "summary": "summary.json",
    "statistics": "analysis/statistical_summary.json",
    "performance": "analysis/performance_analysis.json",
    "business": "analysis/business_recommendations.json",
}


@dataclass(frozen=True)
class Figure:
    """One number: how it reads, its value, and the file and JSON pointer that hold it."""

    text: str
    value: float
    source: str

    def __html__(self) -> str:
        return Markup('<data value="{}" data-from="{}">{}</data>').format(repr(self.value), self.source, self.text)


def figure(
    inputs: ReportInputs, document: DocumentName, *path: str | int, show: Callable[[float], str] = significant
) -> Figure | None:
    """The number at a path of a document; None where it is null there. BenchmarkError for a path that leads nowhere."""
    value: Any = getattr(inputs, document)
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError) as error:
            place = "/".join(map(str, path))
            raise BenchmarkError(f"{FILES[document]} has no {place}; make it again with this version") from error
        if value is None:
            return None
    pointer = "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)
    return Figure(show(value), value, f"{FILES[document]}#{pointer}")


def in_unit(unit: str) -> Callable[[float], str]:
    """How a value of that unit reads."""
    if unit == "ms":
        return milliseconds
    if unit == "bytes":
        return bytes_text
    return lambda value: estimate_parts({"point": value, "low": None, "high": None}, unit)[0]


def span(low: Figure | None, high: Figure | None) -> Markup:
    """Two numbers as a range, one where they read alike, nothing where one is not known."""
    if low is None or high is None:
        return Markup("")
    return Markup("{}").format(low) if low.text == high.text else Markup("{} to {}").format(low, high)
