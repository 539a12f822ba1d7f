"""Stage doctor: what this machine lets us measure, as a table and as doctor.json."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.commands import command
from benchmark_runner.configuration.messages import bounded_number
from benchmark_runner.doctor.examination import conclusion, configuration, examine
from benchmark_runner.doctor.finding import Finding
from benchmark_runner.errors import exit_status
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.schemas import require_valid

SCHEMA_VERSION: Final = 1
WATCH_SECONDS: Final = 1.0
"""Chosen: a program that works now and then shows itself within a second; one that waits longer disturbs little."""
STATE_WIDTH: Final = len("limited")
# Chosen: lines longer than this are hard to follow, however wide the terminal.
WIDEST_CHARACTERS: Final = 120
NARROWEST_CHARACTERS: Final = 60
# Where the output is no terminal itself, as below Snakemake, which copies it into a log.
USUAL_TERMINAL: Final = (100, 24)


def _wrapped(first: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _rows(finding: Finding, title_width: int, width: int) -> Iterator[str]:
    """The line of a finding, and below it why, at what cost and how to get it for each thing it lacks."""
    head = f"{finding.state:<{STATE_WIDTH}}  {finding.title:<{title_width}}  "
    yield from _wrapped(head, finding.found or "—", width)
    margin = " " * (STATE_WIDTH + 2)
    for lack in finding.lacks:
        for word, text in (("why", lack.reason), ("costs", lack.cost), ("remedy", lack.remedy)):
            yield from _wrapped(f"{margin}{word:<6}  ", text, width)


def table(findings: Sequence[Finding], width: int) -> str:
    """All findings for the terminal, in width characters."""
    title_width = max(len(finding.title) for finding in findings)
    rows = [row for finding in findings for row in _rows(finding, title_width, width)]
    return "\n".join(["What this machine lets us measure", "", *rows, "", conclusion(findings)])


def main(argv: Sequence[str]) -> int:
    """Examine this machine for a resolved configuration; what is absent is a finding, never an error."""
    parser = command("doctor", main.__doc__, "config", "engines-folder", out="doctor.json")
    seconds = bounded_number("--watch-seconds", "system.cool_down_seconds")  # a pause, with a pause's bounds
    parser.add_argument("--watch-seconds", type=seconds, default=WATCH_SECONDS, help="how long other load is watched")
    arguments = parser.parse_args(argv)
    given = read_json(arguments.config)
    campaign = load_campaign(given["config"], [], arguments.engines_folder)
    findings = [configuration(given["problems"]), *examine(campaign, arguments.watch_seconds)]
    document = {
        "schema_version": SCHEMA_VERSION,
        "examined_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "hostname": socket.gethostname(),
        "findings": [finding.as_json() for finding in findings],
    }
    require_valid("doctor", document, str(arguments.out))
    write_json(arguments.out, document)
    columns = shutil.get_terminal_size(USUAL_TERMINAL).columns
    print(table(findings, max(NARROWEST_CHARACTERS, min(columns, WIDEST_CHARACTERS))))
    print(f"written to {arguments.out}")
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
