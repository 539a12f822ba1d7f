"""Starts the HTTP server of llama.cpp that the wheel xllamacpp holds, and runs it until SIGTERM.

What a server keeps of earlier prompts is off unless it is asked for: each request is computed whole.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

import xllamacpp

CACHE_TYPES: Final = {
    "f32": xllamacpp.ggml_type.GGML_TYPE_F32,
    "f16": xllamacpp.ggml_type.GGML_TYPE_F16,
    "bf16": xllamacpp.ggml_type.GGML_TYPE_BF16,
}
"""Type of the KV cache by dtype; llama.cpp's own default is f16 whatever the weights are."""

ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line, as adapter.yaml gives it."""
    parser = argparse.ArgumentParser(prog="llama-cpp-server", description=__doc__)
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--dtype", choices=CACHE_TYPES, required=True, help="type of the KV cache")
    parser.add_argument("--port", type=int, required=True, help="port of 127.0.0.1 to listen on")
    parser.add_argument("--threads", type=int, required=True, help="threads that compute")
    parser.add_argument("--slots", type=int, required=True, help="requests that are computed at once")
    parser.add_argument("--context", type=int, required=True, help="tokens of all slots together")
    parser.add_argument("--prefix-cache", action="store_true", help="keep in each slot what its last prompt computed")
    return parser.parse_args(argv)


def parameters(arguments: argparse.Namespace) -> xllamacpp.CommonParams:
    """llama.cpp's parameters: those of llama-cpp-bench, as many slots as asked for, and no other cache of prompts."""
    params = xllamacpp.CommonParams()
    params.model.path = arguments.model
    params.hostnames = ["127.0.0.1"]
    params.port = arguments.port
    params.n_parallel = arguments.slots
    params.n_ctx = arguments.context
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = arguments.threads
    params.cache_type_k = params.cache_type_v = CACHE_TYPES[arguments.dtype]
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.fit_params = False  # it would shrink the context where memory is short
    params.cache_prompt, params.cache_idle_slots = arguments.prefix_cache, False
    params.cache_ram_mib = params.n_ctx_checkpoints = params.n_cache_reuse = 0
    params.sse_ping_interval = -1
    params.ui = False
    return params


def main(argv: Sequence[str]) -> None:
    """Serve until SIGTERM; raises RuntimeError where the model cannot be loaded or the port is taken."""
    arguments = parse_arguments(argv)
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # before the server has threads, which inherit it
    server = xllamacpp.Server(parameters(arguments))
    print(f"listening at {server.listening_address}", file=sys.stderr, flush=True)
    signal.sigwait(ENDING)
    os._exit(os.EX_OK)  # requests in flight would be waited for


if __name__ == "__main__":
    main(sys.argv[1:])
