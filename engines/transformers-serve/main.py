"""Starts the server of transformers, as `transformers serve` does, with the arguments that adapter.yaml gives it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, as adapter.yaml gives it."""
    parser = argparse.ArgumentParser(prog="transformers-serve", description=__doc__)
    parser.add_argument("--model", required=True, help="folder of the checkpoint")
    parser.add_argument("--dtype", required=True, help="torch's name of the weights' type")
    parser.add_argument("--port", type=int, required=True, help="port of 127.0.0.1 to listen on")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> None:
    """Serve until SIGTERM."""
    arguments = parse_arguments(argv)
    os.environ["HF_HUB_OFFLINE"] = "1"  # what is served is on disk
    from transformers.cli.serve import Serve  # reads the variable as it is imported

    Serve(force_model=arguments.model, device="cpu", dtype=arguments.dtype, host="127.0.0.1", port=arguments.port)


if __name__ == "__main__":
    main(sys.argv[1:])
