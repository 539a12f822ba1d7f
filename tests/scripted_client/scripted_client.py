"""The scripted engine of the tests in the place of a load client: it answers a spec without asking the server."""

import argparse
import runpy
import sys
from pathlib import Path

FAKE_ENGINE = Path(__file__).resolve().parents[1] / "fake_engine" / "fake-engine"

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--server")
    parser.add_argument("--cores")
    sys.argv = [str(FAKE_ENGINE), *parser.parse_known_args()[1]]
    runpy.run_path(str(FAKE_ENGINE), run_name="__main__")
