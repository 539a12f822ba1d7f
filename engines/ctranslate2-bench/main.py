"""The adapter ctranslate2-bench: CTranslate2's Generator, one generate_batch an iteration, a callback a token.

The choice of a token is CTranslate2's own, the clock bench_protocol's. The package takes the texts of a vocabulary, and
in that of the derived model folder a token's text is its id in digits.

Options: margins (report top-1 minus top-2 logit of each token, for which CTranslate2 copies its logits).
"""

from __future__ import annotations

import logging
import os
import platform
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench-protocol-py"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import ctranslate2
import numpy as np

import model_bin
from batches import about_as_long
from bench_protocol import (
    Capabilities,
    Case,
    Description,
    EngineError,
    EngineMemoryError,
    Loaded,
    Sampling,
    Spec,
    Timings,
    UnsupportedError,
    flag_option,
    require_files,
    require_known_ids,
    require_known_options,
    run,
)
from bench_protocol.batched import StaticBatches
from bench_protocol.decode import top_margin
from bench_protocol.stage import Request

WEIGHTS: Final = "model.bin"
"""The one name that CTranslate2 opens."""

FILES: Final = (WEIGHTS, "config.json", "vocabulary.json")
COMPUTE_TYPES: Final = {"f32": "float32"}
"""CTranslate2's names. On a CPU it refuses float16 and bfloat16."""

SELECTED_ISA: Final = re.compile(rb"Selected ISA: (\w+)")
"""What CTranslate2 logs when it loads its first model: the instruction set of its own kernels."""

SIMD: Final = {b"AVX": "avx", b"AVX2": "avx2", b"AVX512": "avx512", b"NEON": "neon"}
"""Its names; GENERIC is no instruction set."""

MOST_SEQUENCES: Final = 256
"""Of one batch (chosen); the library names no limit."""

NO_END: Final[list[str]] = []
"""Tokens at which CTranslate2 would stop by itself; the spec decides."""


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """CTranslate2's exceptions, std::bad_alloc among them, as the protocol's."""
    try:
        yield
    except MemoryError as error:
        raise EngineMemoryError(f"CTranslate2 has no memory to {doing}") from error
    except (ValueError, RuntimeError) as error:
        raise EngineError(f"CTranslate2 cannot {doing}: {error}") from error


@contextmanager
def stderr_kept(words: bytearray) -> Iterator[None]:
    """Append to words what libraries write to stderr meanwhile; it goes there afterwards."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            file.seek(0)
            words += file.read()
            os.write(2, words)


def simd_of(words: bytes | bytearray) -> str | None:
    """Instruction set of CTranslate2's own kernels by its log; oneDNN and MKL choose for themselves and do not tell."""
    found = SELECTED_ISA.search(words)
    return SIMD.get(found[1]) if found else None


class CTranslate2(StaticBatches):
    """One model on one worker, which decodes a batch to its end before it takes the next."""

    def __init__(self) -> None:
        """Before the options are known."""
        self._margins = False
        self._generator: ctranslate2.Generator
        self._texts: list[str]

    def configure(self, options: dict[str, Any]) -> None:
        """Take margins."""
        require_known_options(options, ("margins",))
        self._margins = flag_option(options, "margins")

    def describe(self) -> Description:
        """Versions, and the number types that the library computes in here."""
        build = {
            "language": "c++ through its Python package",
            "python": platform.python_version(),
            "ctranslate2": ctranslate2.__version__,
            "numpy": np.__version__,
            "compute_types": sorted(ctranslate2.get_supported_compute_types("cpu")),
        }
        # A seed counts once for a thread of the library, so that a round cannot have its own.
        capabilities = Capabilities.of_logits(["cpu"], list(COMPUTE_TYPES)).under_load(MOST_SEQUENCES)
        capabilities = capabilities._replace(seed=False)
        return Description("ctranslate2-bench", f"ctranslate2 {ctranslate2.__version__}", build, capabilities)

    def refuse(self, spec: Spec) -> None:
        """Refuse a folder that is no CTranslate2 model of the dtype, and ids that it does not know."""
        if spec.weights != WEIGHTS:
            raise UnsupportedError(f"weights {spec.weights!r} are asked for; CTranslate2 opens {WEIGHTS} only")
        folder = Path(spec.model_dir)
        require_files(folder, FILES)
        variables = model_bin.read_variables(folder / WEIGHTS)
        model_bin.require_dtype(variables, spec.dtype, folder / WEIGHTS)
        vocabulary = variables[model_bin.EMBEDDING].shape[0]
        require_known_ids(spec.cases, vocabulary)
        self._texts = [str(token_id) for token_id in range(vocabulary)]

    def load(self, spec: Spec) -> Loaded:
        """Read the weights; CTranslate2 then names instruction set and matrix library in the log."""
        ctranslate2.set_log_level(logging.INFO)
        words = bytearray()
        with stderr_kept(words), engine_errors("load the model"):
            self._generator = ctranslate2.Generator(
                spec.model_dir,
                device=spec.device,
                compute_type=COMPUTE_TYPES[spec.dtype],
                inter_threads=1,
                intra_threads=spec.threads,
            )
        if self._generator.compute_type != COMPUTE_TYPES[spec.dtype]:
            raise EngineError(
                f"CTranslate2 computes in {self._generator.compute_type} where {spec.dtype} was asked for"
            )
        ctranslate2.set_log_level(logging.WARNING)
        return Loaded(
            weights_dtype=spec.dtype,
            compute_dtype=spec.dtype,
            kv_cache_dtype=spec.dtype,
            device=spec.device,
            threads=spec.threads,
            batch_size=spec.places,
            simd=simd_of(words),
        )

    def reset(self) -> None:
        """Nothing: each request has a cache of its own, and the one for static prompts is switched off."""

    def _texts_of(self, ids: list[int]) -> list[str]:
        return [self._texts[token_id] for token_id in ids]

    @staticmethod
    def _ways(sampling: Sampling) -> dict[str, Any]:
        """What generate_batch is told in each call."""
        drawn = {"sampling_temperature": sampling.temperature, "sampling_topp": sampling.top_p}
        return {
            "beam_size": 1,
            "end_token": NO_END,
            "sampling_topk": 1 if sampling.is_greedy else 0,
            "cache_static_prompt": False,
            **({} if sampling.is_greedy else drawn),
        }

    def joins(self, case: Case, first: Request, other: Request) -> bool:
        """Whether reading the two prompts together is worth it."""
        return about_as_long(case.prompts[first.prompt], case.prompts[other.prompt], first.limit)

    def decode(self, case: Case, batch: Sequence[Request], push: Callable[[Request, int], bool]) -> None:
        """One generate_batch; a sequence that has ended leaves it, and none joins it."""

        def take(step: ctranslate2.GenerationStepResult) -> bool:
            """Keep a token; returns whether CTranslate2 shall stop this sequence."""
            return not push(batch[step.batch_id], step.token_id)

        with engine_errors("generate"):
            self._generator.generate_batch(
                [self._texts_of(case.prompts[one.prompt]) for one in batch],
                include_prompt_in_result=False,
                max_length=max(one.limit for one in batch),
                callback=take,
                **self._ways(case.sampling),
            )

    def generate(self, case: Case, seed: int, timings: Timings) -> None:  # noqa: ARG002
        """One generate_batch, a callback a token; the capabilities say that seed has no effect."""
        prompt = self._texts_of(case.prompt_ids)
        request: dict[str, Any] = {"start_tokens": [prompt], "include_prompt_in_result": False}
        if case.forced_ids is not None:
            # All but the prompt's last token in one pass, as without forcing; then each in place of the chosen one.
            fed = [prompt[-1], *self._texts_of(case.forced_ids[:-1])]
            request = {"start_tokens": [fed], "include_prompt_in_result": True, "static_prompt": prompt[:-1]}
        with_logits = self._margins or timings.wants_logits or case.forced_ids is not None

        def take(step: ctranslate2.GenerationStepResult) -> bool:
            """Keep a token; returns whether CTranslate2 shall stop."""
            if not with_logits:
                return not timings.push(step.token_id)
            logits = np.asarray(step.logits)[0]
            chosen = step.token_id if case.forced_ids is None else int(logits.argmax())
            wanted = timings.push(chosen, top_margin(logits) if self._margins else None)
            if timings.wants_logits:
                timings.push_logits(logits.astype("<f4").tobytes())
            return not wanted

        with engine_errors("generate"):
            self._generator.generate_batch(
                **request,
                **self._ways(case.sampling),
                max_length=case.max_new_tokens,
                return_logits_vocab=with_logits,
                callback=take,
            )


if __name__ == "__main__":
    run(CTranslate2(), sys.argv[1:])
