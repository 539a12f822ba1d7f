"""What all tests share: the repository's folder, the option that forbids skipping, and the real engines and model."""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapter_launch import TOGETHER, Outcome, Serve, case, make_spec, run_adapter
from benchmark_runner.build.adapter import load_adapter
from benchmark_runner.model.formats import DERIVED, MANIFEST, SAFETENSORS, derived_folder
from benchmark_runner.model.recipes import RECIPES

pytest_plugins = ("beside",)

REPOSITORY = Path(__file__).resolve().parents[1]
MODEL = "models/smollm2-135m-instruct"
ENGINES = "tests/real/engines.yaml"
PROGRAMS = {
    engine["name"]: engine["binary_path"]
    for engine in yaml.safe_load((REPOSITORY / ENGINES).read_text(encoding="utf-8"))["engines"]
}

Lacking = Callable[[str], None]

LIMIT_SECONDS = {"setup": 3600, "call": 1800, "teardown": 300}
"""What no phase of a test needs, builds of engines in a fixture included: beyond it something waits that never ends."""

IGNORED_IN_BACKGROUND = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


def pytest_configure() -> None:
    """What nohup or a shell's background job ignores has no effect here, but is not inherited by what tests start: a
    handler becomes the default where another program is executed."""
    for number in IGNORED_IN_BACKGROUND:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@contextlib.contextmanager
def bounded(phase: str, name: str) -> Iterator[None]:
    """Fail what lasts longer than any test needs, with where it waits."""

    def over(*_: object) -> None:
        pytest.fail(f"{phase} of {name} had not ended after {LIMIT_SECONDS[phase]} s")

    previous = signal.signal(signal.SIGALRM, over)
    left = signal.alarm(LIMIT_SECONDS[phase])
    try:
        yield
    finally:
        signal.alarm(left)
        signal.signal(signal.SIGALRM, previous)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    with bounded("setup", item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    with bounded("call", item.nodeid):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, Any, Any]:
    with bounded("teardown", item.nodeid):
        return (yield)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-all", action="store_true", help="a tool that a test lacks is a failure, not a skip (for CI)"
    )


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def lacking(request: pytest.FixtureRequest) -> Lacking:
    """Skip a test that lacks a tool, with the remedy; under --require-all fail it."""

    def lack(reason: str) -> None:
        if request.config.getoption("--require-all"):
            pytest.fail(f"{reason} (--require-all)", pytrace=False)
        pytest.skip(reason)

    return lack


def format_of(engine: str) -> str:
    return load_adapter(REPOSITORY / "engines" / Path(PROGRAMS[engine]).name).weights_format


def made_as(weights_format: str) -> Path:
    """Folder of the embedded model in a derived format."""
    model = {"name": Path(MODEL).name, "identity": RECIPES[Path(MODEL).name].identity}
    return derived_folder(model, weights_format, "f32")


@pytest.fixture(scope="session")
def make() -> Callable[..., Path]:
    """Makes a file of the repository by the workflow, as a campaign would; once in a run of the tests."""

    @functools.cache
    def made(target: str, configuration: str = ENGINES) -> Path:
        snakemake = Path(sys.executable).parent / "snakemake"
        ended = subprocess.run(
            [str(snakemake), target, "--cores", "2", "--configfile", configuration],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-6000:]
        return REPOSITORY / target

    return made


@pytest.fixture(scope="session")
def embedded_model(make: Callable[..., Path]) -> Path:
    return make(f"{MODEL}/config.json").parent


@pytest.fixture(scope="session")
def opened_by(make: Callable[..., Path], embedded_model: Path) -> Callable[[str], tuple[Path, str]]:
    """Folder and weights that a real engine is told to open, as in a campaign."""

    def find(engine: str) -> tuple[Path, str]:
        weights_format = format_of(engine)
        if weights_format == SAFETENSORS:
            return embedded_model, "model.safetensors"
        return make(str(made_as(weights_format) / MANIFEST)).parent, DERIVED[weights_format].weights

    return find


@pytest.fixture(scope="module")
def spec(request: pytest.FixtureRequest, opened_by: Callable[[str], tuple[Path, str]]) -> dict[str, Any]:
    """A spec of the module's CASES for its ENGINE, a real one."""
    return make_spec(*opened_by(request.module.ENGINE), request.module.CASES)


@pytest.fixture(scope="module")
def serve(
    request: pytest.FixtureRequest, program: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Serve:
    """Runs the module's ENGINE on a spec."""
    binary, names = program(request.module.ENGINE), list(request.module.CASES)
    return lambda spec: run_adapter(binary, tmp_path_factory.mktemp("launch"), spec, names)


@pytest.fixture(scope="module")
def outcome(serve: Serve, spec: dict[str, Any]) -> Outcome:
    """Two rounds of the module's CASES, with margins."""
    return serve(spec | {"iterations": 2, "options": {"margins": True}})


@pytest.fixture(scope="module")
def alone(serve: Serve, spec: dict[str, Any]) -> list[list[int]]:
    """The ids of each of TOGETHER where it is asked for by itself."""
    found = serve(spec | {"cases": [case(prompt_ids=prompt) for prompt in TOGETHER]})
    return [event["token_ids"] for event in found.events if event["event"] == "iteration"]


@pytest.fixture(scope="session")
def program(make: Callable[..., Path], lacking: Lacking) -> Callable[[str], Path]:
    """The built adapter of a real engine; a machine that cannot build it skips the test."""

    def find(engine: str) -> Path:
        record = make(f"{PROGRAMS[engine].removeprefix('./')}.build.json")
        build = json.loads(record.read_text(encoding="utf-8"))
        if build["status"] != "built":
            lacking(f"{engine} could not be built: {build['reason']}; {build['remedy']}")
        return REPOSITORY / PROGRAMS[engine]

    return find
