"""Two runs of pytest side by side that end as one: the first tells its reports, the second takes them for its own."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

TOLD_ALL = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tell", metavar="FILE", help="write the reports of this run into a new file, for --beside")
    parser.addoption(
        "--beside", nargs=2, metavar=("PID", "FILE"), help="wait for a run with --tell FILE and count its tests here"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--tell"):
        config.pluginmanager.register(Teller(config))
    if config.getoption("--beside"):
        config.pluginmanager.register(Listener(config))


class Teller:
    """Writes each report as a line of JSON, and last how the run ended and how long it took."""

    def __init__(self, config: pytest.Config) -> None:
        self._begun = time.monotonic()
        self._config = config
        self._file = Path(config.getoption("--tell")).open("w", encoding="utf-8")  # noqa: SIM115 - open while it runs

    def _write(self, told: Any) -> None:
        print(json.dumps(told, default=str), file=self._file, flush=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._write(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._write({"ended": int(exitstatus), "seconds": time.monotonic() - self._begun})

    def pytest_unconfigure(self) -> None:
        self._file.close()


def wait_for_end(pid: int) -> None:
    """Wait for a process that need not be a child of this one."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    select.select([process], [], [])
    os.close(process)


def as_told(data: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples, and pytest asks for one where a test was skipped."""
    return {**data, "longrepr": tuple(data["longrepr"])} if isinstance(data["longrepr"], list) else data


class Listener:
    """Takes the other run's reports into this one's summary, closing line and exit status."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        pid, file = config.getoption("--beside")
        self._pid, self._file = int(pid), Path(file).absolute()  # wherever a test may leave this process
        self._begun, self._seconds = time.monotonic(), {"here": 0.0, "beside": 0.0}

    def _reports(self) -> list[pytest.TestReport]:
        """Those of the other run, which has ended; with a failure where it has not told all of them."""
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.is_file() else []
        told = [json.loads(line) for line in lines if line.endswith("}")]
        end = told.pop() if told and "ended" in told[-1] else {"ended": None, "seconds": 0.0}
        ended, self._seconds["beside"] = end["ended"], end["seconds"]
        take = self._config.hook.pytest_report_from_serializable
        reports = [take(config=self._config, data=as_told(data)) for data in told]
        if ended not in TOLD_ALL:
            how = "before it had told how" if ended is None else f"with status {ended}"
            words = (
                f"the run of tests beside this one ended {how}; its own words are in {self._file.with_suffix('.log')}"
            )
            place = (str(self._file), None, "run beside")
            reports.append(pytest.TestReport(f"{self._file}::run beside", place, {}, "failed", words, "setup"))
        return reports

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        result = yield
        self._seconds["here"] = time.monotonic() - self._begun
        wait_for_end(self._pid)
        reports = self._reports()
        session.testscollected += len({report.nodeid for report in reports})
        for report in reports:
            if report.when == "setup":
                self._config.hook.pytest_runtest_logstart(nodeid=report.nodeid, location=report.location)
            self._config.hook.pytest_runtest_logreport(report=report)
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        told = ", ".join(f"{where} {seconds:.0f} s" for where, seconds in self._seconds.items())
        terminalreporter.write_line(f"two runs of tests side by side: {told}")
