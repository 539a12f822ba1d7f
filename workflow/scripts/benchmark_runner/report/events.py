"""What could be wrong, grouped: remarks of one kind stand together, with their number and what helps once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark_runner.report.inputs import Document, ReportInputs
from benchmark_runner.report.results import SEVERITY_TONES, as_sentence


@dataclass(frozen=True)
class EventKind:
    """Remarks of one kind and severity: its words, the tone of its badge, every sentence, each remedy once."""

    severity: str
    tone: str
    words: str
    sentences: Sequence[str]
    remedies: Sequence[str]


def events(inputs: ReportInputs) -> list[EventKind]:
    """The kinds of the campaign's remarks in the order of the statistics, the serious first."""
    by_kind: dict[tuple[str, str], list[Document]] = {}
    for warning in inputs.statistics["warnings"]:
        by_kind.setdefault((warning["severity"], warning["kind"]), []).append(warning)
    return [
        EventKind(
            severity,
            SEVERITY_TONES[severity],
            kind.replace("_", " "),
            [as_sentence(one["message"], inputs) for one in found],
            list(dict.fromkeys(as_sentence(one["remedy"], inputs) for one in found)),
        )
        for (severity, kind), found in by_kind.items()
    ]
