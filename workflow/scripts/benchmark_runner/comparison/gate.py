"""The outcome of a comparison as an exit status for CI: 0 no regression, 1 regression, 2 cannot tell.

Whatever prevents an answer (a missing or broken file, an unknown engine, a wrong flag, a library that does not load)
is 2 as well: never a pass, and never a regression that nobody measured. What computes is loaded where main sees it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.terminal import printable

if TYPE_CHECKING:
    from benchmark_runner.comparison.decision import Outcome

STATUS: Final[Mapping[Outcome, int]] = {"no_regression": 0, "regression": 1, "cannot_tell": 2}


def gating(document: Mapping[str, Any], engines: Sequence[str] | None) -> list[Mapping[str, Any]]:
    """Comparisons that decide, of these engines or of all. Raises BenchmarkError for an engine that has none."""
    found = [one for one in document["comparisons"] if one["gates"]]
    names = list(dict.fromkeys(one["engine"] for one in found))
    unknown = [name for name in engines or () if name not in names]
    if unknown:
        compared = ", ".join(map(printable, names)) or "none"
        raise BenchmarkError(
            f"--engine {', '.join(map(printable, unknown))} was not compared; name one that was: {compared}"
        )
    return [one for one in found if not engines or one["engine"] in engines]


def answer(document: Mapping[str, Any], engines: Sequence[str] | None) -> tuple[Outcome, str]:
    """(outcome, one line of words with the first sentence that made it so)."""
    from benchmark_runner.comparison.decision import outcome
    from benchmark_runner.comparison.words import outcome_words

    chosen = gating(document, engines)
    verdicts = [one["verdict"] for one in chosen]
    found = outcome(verdicts)
    words = outcome_words(found, verdicts, document["settings"]["margin"])
    cause = next((one for one in chosen if one["verdict"] == found), None) if found != "no_regression" else None
    return found, f"{words}; {cause['sentence']}" if cause else words


def require_agreement(document: Mapping[str, Any], path: Path) -> None:
    """Raise BenchmarkError where a comparison tells another outcome than its verdicts make: neither can be believed."""
    told, made = document["outcome"]["verdict"], answer(document, None)[0]
    if told != made:
        raise BenchmarkError(
            f"{path}: outcome.verdict is {told}, its comparisons make it {made}: the file was changed; make it again"
        )


def main(argv: Sequence[str]) -> int:
    """Print the outcome and return its status."""
    parser = argparse.ArgumentParser(prog="benchmark_runner.comparison.gate", description=__doc__)
    parser.add_argument("comparison", type=Path, help="comparison.json")
    parser.add_argument("--engine", action="append", help="ask about this engine alone; may be given several times")
    arguments = parser.parse_args(argv)
    try:
        from benchmark_runner.jsonio import read_valid

        document = read_valid("comparison", arguments.comparison)
        require_agreement(document, arguments.comparison)
        found, words = answer(document, arguments.engine)
    except Exception as error:  # noqa: BLE001  whatever it is: an uncaught one would end with the status of a regression
        print(f"cannot tell: {error if isinstance(error, BenchmarkError) else repr(error)}", file=sys.stderr)
        return STATUS["cannot_tell"]
    print(printable(words))
    return STATUS[found]


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
