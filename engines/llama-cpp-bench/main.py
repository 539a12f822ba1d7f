"""The adapter llama-cpp-bench: llama.cpp's llama_decode, from token ids to logits, called through ctypes.

The choice of a token and the clock are bench_protocol's; tokenizer, samplers and server of llama.cpp take no part.

Options: flash_attention (false by default) and margins (report top-1 minus top-2 logit of each token).
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench-protocol-py"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np

import gguf_header
import llama_library
from bench_protocol import (
    Capabilities,
    Case,
    Description,
    EngineError,
    Loaded,
    Spec,
    Timings,
    UnsupportedError,
    flag_option,
    require_files,
    require_known_ids,
    require_known_options,
    run,
)
from bench_protocol.batched import BatchedEngine
from bench_protocol.decode import decode

if TYPE_CHECKING:
    from numpy.typing import NDArray

CACHE_TYPES: Final = {
    "f32": llama_library.TYPE_F32,
    "f16": llama_library.TYPE_F16,
    "bf16": llama_library.TYPE_BF16,
}
"""Type of the KV cache by dtype; llama.cpp's own default is f16 whatever the weights are."""

SMALLEST_BATCH_TOKENS: Final = 2048
"""llama.cpp's default n_batch; longer prompts raise it, so that one llama_decode takes any prompt."""


CONTEXT_BLOCK_TOKENS: Final = 256
"""llama.cpp rounds a sequence's room up to this."""

MOST_SEQUENCES: Final = 256
"""llama.cpp's own limit (LLAMA_MAX_SEQ)."""


class LlamaCpp(BatchedEngine):
    """One model with one sequence in its KV cache, or with one for each request in flight."""

    def __init__(self) -> None:
        """Before the options are known."""
        self._flash_attention = False
        self._margins = False
        self._library: ctypes.CDLL
        self._context: int
        self._memory: int
        self._vocabulary: int
        self._tokens: ctypes.Array[ctypes.c_int32]
        self._batch: llama_library.Batch
        self._positions: list[int] = []
        self._words = llama_library.LogCallback(self._keep_words)
        self._complaint = ""

    def _keep_words(self, level: int, text: bytes | None, _: Any) -> None:
        """Warnings and errors of llama.cpp to stderr; the last one becomes the reason of a failure."""
        words = (text or b"").decode("utf-8", "replace")
        if level in (llama_library.WARNING, llama_library.WARNING + 1):
            self._complaint = words.strip() or self._complaint
            sys.stderr.write(words)

    def configure(self, options: dict[str, Any]) -> None:
        """Take flash_attention and margins."""
        require_known_options(options, ("flash_attention", "margins"))
        self._flash_attention = flag_option(options, "flash_attention")
        self._margins = flag_option(options, "margins")

    def describe(self) -> Description:
        """Versions, and what the library was built for."""
        self._library = llama_library.open_library()
        version = llama_library.installed_version()
        build = {
            "language": "c++ through ctypes",
            "python": platform.python_version(),
            "xllamacpp": version,
            "numpy": np.__version__,
            "system_info": self._library.llama_print_system_info().decode().strip(" |"),
            "flash_attention": self._flash_attention,
        }
        capabilities = Capabilities.of_logits(["cpu"], list(CACHE_TYPES)).under_load(MOST_SEQUENCES)
        return Description("llama-cpp-bench", f"llama.cpp b{version.split('.')[-1]}", build, capabilities)

    def refuse(self, spec: Spec) -> None:
        """Refuse a file that is no GGUF of the dtype, and a library whose structures are not those described here."""
        llama_library.require_layout(self._library, llama_library.installed_version())
        if not spec.weights.endswith(".gguf"):
            raise UnsupportedError(f"weights {spec.weights!r} are asked for; llama.cpp opens GGUF files only")
        folder = Path(spec.model_dir)
        require_files(folder, [spec.weights])
        gguf_header.require_dtype(folder / spec.weights, spec.dtype)

    def load(self, spec: Spec) -> Loaded:
        """Read the weights and allocate the cache."""
        library = self._library
        library.llama_log_set(self._words, None)
        library.llama_backend_init()
        path = str(Path(spec.model_dir) / spec.weights)
        model = library.llama_model_load_from_file(path.encode(), library.llama_model_default_params())
        if not model:
            raise EngineError(f"llama.cpp cannot load {path}: {self._complaint}")
        self._vocabulary = library.llama_vocab_n_tokens(library.llama_model_get_vocab(model))
        require_known_ids(spec.cases, self._vocabulary)
        self._context = library.llama_init_from_model(model, self._context_params(spec))
        if not self._context:
            raise EngineError(f"llama.cpp cannot make a context of {spec.max_seq_len} tokens: {self._complaint}")
        self._memory = library.llama_get_memory(self._context)
        self._tokens = (ctypes.c_int32 * max(len(case.prompt_ids) for case in spec.cases))()
        sequences = spec.places
        self._positions = [0] * sequences
        self._batch = library.llama_batch_init(sequences * spec.max_seq_len, 0, 1)
        return Loaded(
            weights_dtype=spec.dtype,
            # ggml's dot products of all three types add up in f32.
            compute_dtype="f32",
            kv_cache_dtype=spec.dtype,
            device=spec.device,
            threads=library.llama_n_threads(self._context),
            batch_size=library.llama_n_seq_max(self._context),
            simd=llama_library.simd_of(library.llama_print_system_info().decode()),
        )

    def _context_params(self, spec: Spec) -> llama_library.ContextParams:
        params: llama_library.ContextParams = self._library.llama_context_default_params()
        params.n_seq_max = spec.places
        params.n_ctx = _context_tokens(spec)
        params.n_batch = max(SMALLEST_BATCH_TOKENS, params.n_ctx)
        params.n_threads = params.n_threads_batch = spec.threads
        params.type_k = params.type_v = CACHE_TYPES[spec.dtype]
        params.flash_attn_type = int(self._flash_attention)
        return params

    def reset(self) -> None:
        """Empty the cache, its data too."""
        self._library.llama_memory_clear(self._memory, True)
        self._positions = [0] * len(self._positions)

    def _forward(self, ids: Sequence[int], _: int) -> NDArray[np.float32]:
        """Logits [vocabulary] after ids, which llama.cpp puts behind what the cache holds."""
        count = len(ids)
        self._tokens[:count] = list(ids)
        status = self._library.llama_decode(self._context, self._library.llama_batch_get_one(self._tokens, count))
        if status != 0:
            raise EngineError(f"llama_decode gave {status} for {count} tokens: {self._complaint}")
        return self._logits(-1)

    def _decode_batch(self, places: Sequence[int], ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Logits [places, vocabulary] after ids, each put behind its sequence, in one llama_decode."""
        batch, count, last = self._batch, 0, []
        for place, new in zip(places, ids, strict=True):
            for token in new:
                batch.token[count], batch.pos[count] = token, self._positions[place]
                batch.n_seq_id[count], batch.seq_id[count][0], batch.logits[count] = 1, place, 0
                self._positions[place] += 1
                count += 1
            batch.logits[count - 1] = 1
            last.append(count - 1)
        batch.n_tokens = count
        status = self._library.llama_decode(self._context, batch)
        if status != 0:
            raise EngineError(f"llama_decode gave {status} for {len(places)} sequences: {self._complaint}")
        return np.stack([self._logits(number) for number in last])

    def _logits(self, number: int) -> NDArray[np.float32]:
        address = self._library.llama_get_logits_ith(self._context, number)
        if not address:
            raise EngineError(f"llama.cpp has no logits: {self._complaint}")
        return np.ctypeslib.as_array((ctypes.c_float * self._vocabulary).from_address(address))

    def prefill(self, places: Sequence[int], prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """All prompts in one llama_decode."""
        return self._decode_batch(places, prompts)

    def step(self, places: Sequence[int], ids: Sequence[int]) -> NDArray[np.float32]:
        """One token of each sequence in one llama_decode."""
        return self._decode_batch(places, [[token] for token in ids])

    def release(self, place: int) -> None:
        """Forget the sequence."""
        self._library.llama_memory_seq_rm(self._memory, place, -1, -1)
        self._positions[place] = 0

    def generate(self, case: Case, seed: int, timings: Timings) -> None:
        """One llama_decode for the prompt, then one a token."""
        decode(case, seed, timings, self._forward, margins=self._margins)


def _context_tokens(spec: Spec) -> int:
    """Room for all sequences; of several, each as llama.cpp rounds it up."""
    sequences = spec.places
    blocks = -(-spec.max_seq_len // CONTEXT_BLOCK_TOKENS)
    return spec.max_seq_len if sequences == 1 else sequences * blocks * CONTEXT_BLOCK_TOKENS


if __name__ == "__main__":
    run(LlamaCpp(), sys.argv[1:])
