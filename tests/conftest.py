"""What all tests share: the repository's folder and the option that forbids skipping."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-all",
        action="store_true",
        help="a tool that a test lacks is a failure, not a skip (for CI)",
    )


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture
def lacking(request: pytest.FixtureRequest):
    """Skip a test that lacks a tool, with the remedy; under --require-all fail it."""

    def lack(reason: str) -> None:
        if request.config.getoption("--require-all"):
            pytest.fail(f"{reason} (--require-all)", pytrace=False)
        pytest.skip(reason)

    return lack
