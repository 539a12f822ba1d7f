"""The adapter mistral-rs-bench: mistral.rs through its Python package, one streamed request an iteration.

The package takes and gives text only; id_text makes ids of it. Its own sampler chooses the tokens.

Options: margins (report top-1 minus top-2 logit of each token, which has mistral.rs compute log-probabilities).
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Final

# A launch that fetches something would measure the network, and nothing is to be logged while tokens are timed.
os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false", RUST_LOG="warn")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench-protocol-py"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import mistralrs

import id_text
from bench_protocol import (
    Capabilities,
    Case,
    Description,
    Engine,
    EngineError,
    Loaded,
    Spec,
    Timings,
    flag_option,
    require_known_options,
    run,
)
from bench_protocol.checkpoint import LlamaConfig, weight_files

DTYPES: Final = {
    "f32": mistralrs.ModelDType.F32,
    "f16": mistralrs.ModelDType.F16,
    "bf16": mistralrs.ModelDType.BF16,
}


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """mistral.rs raises ValueError for all that goes wrong."""
    try:
        yield
    except ValueError as error:
        raise EngineError(f"mistral.rs cannot {doing}: {error}") from error


class MistralRs(Engine):
    """One model that serves one request at a time, without a cache that outlives it."""

    def __init__(self) -> None:
        """Before the options are known."""
        self._margins = False
        self._vocabulary = 0
        self._weight_files: list[str] = []
        self._runner: mistralrs.Runner

    def configure(self, options: dict[str, Any]) -> None:
        """Take margins."""
        require_known_options(options, ("margins",))
        self._margins = flag_option(options, "margins")

    def describe(self) -> Description:
        """Versions; the wheel computes on the CPU alone."""
        version = metadata.version("mistralrs")
        build = {
            "language": "rust through its Python package",
            "python": platform.python_version(),
            "mistralrs": version,
            "interface": "text whose tokenizer spells ids; streamed chat request; sampler of mistral.rs",
        }
        capabilities = Capabilities(
            devices=["cpu"],
            dtypes=list(DTYPES),
            sampling=["greedy", "temperature", "top_p"],
            # Runner(seed=…) raises on the CPU.
            seed=False,
            load_modes=["closed"],
            max_concurrency=1,
            ignore_eos=True,
        )
        return Description("mistral-rs-bench", f"mistralrs {version}", build, capabilities)

    def refuse(self, spec: Spec) -> None:
        """Refuse a folder from which nothing could be loaded, a Llama that is not the plain one, and unknown ids."""
        folder = Path(spec.model_dir)
        self._weight_files = weight_files(folder, spec.weights)
        config = LlamaConfig.read(spec)
        config.require_derived_head_width("mistral.rs")
        self._vocabulary = config.vocab_size

    def load(self, spec: Spec) -> Loaded:
        """Read the weights, and prove that prompts arrive as the ids that they are."""
        # The pools of candle and rayon, read when they start; and without the third a CPU's cache is f16.
        threads = str(spec.threads)
        os.environ.update(RAYON_NUM_THREADS=threads, CANDLE_NUM_THREADS=threads, MISTRALRS_CPU_KV_F32="1")
        with tempfile.TemporaryDirectory(prefix="mistral-rs-bench-") as name, engine_errors("load the model"):
            template = id_text.lay_out(Path(name), Path(spec.model_dir), self._weight_files, self._vocabulary)
            self._runner = mistralrs.Runner(
                which=mistralrs.Which.Plain(model_id=name, arch=mistralrs.Architecture.Llama, dtype=DTYPES[spec.dtype]),
                max_seqs=1,
                prefix_cache_n=0,
                no_paged_attn=True,
                token_source="none",
                jinja_explicit=str(template),
            )
        for number, case in enumerate(spec.cases):
            self._require_same_ids(number, case)
        return Loaded(
            weights_dtype=spec.dtype,
            # By its source, products are candle's, which sums f16 in f32; f16 rounds as candle's does. Of bf16 it is
            # not known.
            compute_dtype="unknown" if spec.dtype == "bf16" else "f32",
            kv_cache_dtype=spec.dtype,
            device=spec.device,
            threads=spec.threads,
        )

    def _require_same_ids(self, number: int, case: Case) -> None:
        with engine_errors("tokenize a prompt"):
            ids = self._runner.tokenize_text(id_text.text_of(case.prompt_ids), False, None)
        if ids != case.prompt_ids:
            raise EngineError(f"mistral.rs takes the prompt of cases[{number}] for {len(ids)} other ids")

    def reset(self) -> None:
        """Nothing: each request has a cache of its own, and prefix_cache_n=0 keeps none."""

    def _request(self, case: Case) -> mistralrs.ChatCompletionRequest:
        sampling = case.sampling
        return mistralrs.ChatCompletionRequest(
            messages=[{"role": "user", "content": id_text.text_of(case.prompt_ids)}],
            model="default",
            stream=True,
            max_tokens=case.max_new_tokens,
            temperature=sampling.temperature,
            top_p=None if sampling.is_greedy else sampling.top_p,
            # Of the spec's ids only, never those that mistral.rs finds in the model's files.
            ignore_eos=True,
            stop_seqs=None if case.ignore_eos else [id_text.end_text(token_id) for token_id in case.eos_ids],
            logprobs=self._margins,
            top_logprobs=2 if self._margins else None,
        )

    def generate(self, case: Case, seed: int, timings: Timings) -> None:  # noqa: ARG002
        """One streamed request, a piece a token; the capabilities say that seed has no effect."""
        prompt_tokens = 0
        with engine_errors("generate"):
            for piece in self._runner.send_chat_completion_request(self._request(case)):
                choice = piece.choices[0]
                token_id = id_text.id_of(choice.delta.content)
                wanted = timings.push(token_id, margin(choice, case) if self._margins else None)
                if choice.finish_reason is not None:
                    prompt_tokens = piece.usage.prompt_tokens
                if wanted == (choice.finish_reason is not None):
                    raise EngineError(f"mistral.rs ended with {choice.finish_reason} after {timings.count} tokens")
        if prompt_tokens != len(case.prompt_ids):
            raise EngineError(f"mistral.rs read {prompt_tokens} prompt tokens where {len(case.prompt_ids)} were sent")


def margin(choice: Any, case: Case) -> float:
    """Highest minus second highest logit; the softmax that mistral.rs reports is over logits divided by temperature."""
    logprobs: list[float] = sorted((entry.logprob for entry in choice.logprobs.top_logprobs), reverse=True)
    first, second = logprobs[:2]
    return (first - second) * (case.sampling.temperature or 1.0)


if __name__ == "__main__":
    run(MistralRs(), sys.argv[1:])
