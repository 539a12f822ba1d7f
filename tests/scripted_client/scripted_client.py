"""The scripted engine of the tests in the place of a load client: it answers a spec without asking the server.

Between its iterations it pauses for the milliseconds of the variable SCRIPTED_PAUSE_MS, where it is set.
"""

import argparse
import os
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "fake_engine"), str(TESTS.parent / "engines" / "bench-protocol-py")]

from fake_core import FakeEngine  # noqa: E402  the path is known only now

from bench_protocol import run  # noqa: E402

PAUSE_SECONDS = int(os.environ.get("SCRIPTED_PAUSE_MS", "0")) / 1e3


class PausingEngine(FakeEngine):
    """As a client that asks once more for what a stream did not tell."""

    def reset(self) -> None:
        super().reset()
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--server")
    parser.add_argument("--cores")
    run(PausingEngine(), parser.parse_known_args()[1])
