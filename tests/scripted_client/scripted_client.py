"""The scripted engine of the tests in the place of a load client: it answers a spec without asking the server."""

import runpy
import sys
from pathlib import Path

FAKE_ENGINE = Path(__file__).resolve().parents[1] / "fake_engine" / "fake-engine"

if __name__ == "__main__":
    arguments = sys.argv[1:]
    place = arguments.index("--server")
    del arguments[place : place + 2]
    sys.argv = [str(FAKE_ENGINE), *arguments]
    runpy.run_path(str(FAKE_ENGINE), run_name="__main__")
