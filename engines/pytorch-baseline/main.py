"""The adapter pytorch-baseline: transformers' LlamaForCausalLM on torch, as people use it, without generate().

The decode loop and its preallocated cache are ours, since generate() does work between the tokens that is no part of
the model. Everything inside forward() is transformers' own code.

Options: attention ("sdpa", the default, or "eager") and margins (report top-1 minus top-2 logit of each token).
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

# A launch that fetches something would measure the network; to be set before the libraries are imported.
os.environ.update(
    HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false"
)
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench-protocol-py"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
import transformers
from transformers import LlamaForCausalLM, StaticCache

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
from bench_protocol.batched import BatchedEngine
from bench_protocol.checkpoint import weight_files
from bench_protocol.stage import Stage
from sequences import Sequences

DTYPES: Final = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
ATTENTIONS: Final = ("sdpa", "eager")
WEIGHTS: Final = ("model.safetensors", "model.safetensors.index.json")
"""What from_pretrained opens; it takes no other name."""
SIMD: Final = {"AVX2": "avx2", "AVX512": "avx512", "SVE256": "sve256"}
"""torch's names of the kernels that it chose; DEFAULT, what its compiler's defaults allow, is no instruction set."""
MOST_SEQUENCES: Final = 256
"""Of one batch (chosen): the cache is allocated for all of them."""
SEED_LIMIT: Final = 1 << 63
"""torch.Generator takes seeds below this."""


@contextmanager
def memory_errors() -> Iterator[None]:
    """Tell a lack of memory from other failures; the CPU allocator of torch raises a plain RuntimeError."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise EngineMemoryError(str(error)) from error
    except RuntimeError as error:
        if "can't allocate memory" in str(error):
            raise EngineMemoryError(str(error)) from error
        raise


class Greedy:
    """The highest logit, the lowest id among equals (torch.argmax promises the first)."""

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Id chosen from the logits [vocabulary]."""
        return logits.argmax()


class Sampler:
    """Draws from the softmax of logits over temperature, cut to the smallest set whose probability reaches top_p."""

    def __init__(self, sampling: Sampling, seed: int, device: torch.device) -> None:
        """Seed a generator of its own, so that nothing else draws from it."""
        self._temperature = sampling.temperature
        self._top_p = sampling.top_p
        self._generator = torch.Generator(device).manual_seed(seed % SEED_LIMIT)

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Id drawn from the logits [vocabulary]."""
        probabilities = torch.softmax(logits.float() / self._temperature, dim=-1)
        if self._top_p >= 1:
            return torch.multinomial(probabilities, 1, generator=self._generator)[0]
        ordered, ids = torch.sort(probabilities, descending=True, stable=True)
        before = torch.cumsum(ordered, dim=-1) - ordered
        kept = torch.where(before < self._top_p, ordered, 0.0)
        return ids[torch.multinomial(kept, 1, generator=self._generator)[0]]


def build_facts() -> dict[str, Any]:
    """What of torch and the machine decides how fast it computes."""
    facts = {
        "language": "python",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cuda": torch.version.cuda,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "mkldnn": torch.backends.mkldnn.is_available(),
        "mkl": torch.backends.mkl.is_available(),
        "parallel": [line.strip() for line in torch.__config__.parallel_info().splitlines()],
    }
    if torch.cuda.is_available():
        facts["gpus"] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return facts


class PytorchBaseline(BatchedEngine):
    """One Llama with a cache that is allocated once: for a sequence, or for one of each request that is decoded."""

    def __init__(self) -> None:
        """Before the options are known."""
        self._attention = ATTENTIONS[0]
        self._margins = False
        self._device = torch.device("cpu")
        self._model: LlamaForCausalLM
        self._cache: StaticCache | Sequences

    def configure(self, options: dict[str, Any]) -> None:
        """Take attention and margins."""
        require_known_options(options, ("attention", "margins"))
        self._attention = options.get("attention", ATTENTIONS[0])
        self._margins = flag_option(options, "margins")
        if self._attention not in ATTENTIONS:
            raise UnsupportedError(
                f"option attention is {self._attention!r}; it must be one of {', '.join(ATTENTIONS)}"
            )

    def describe(self) -> Description:
        """Versions, and the devices that this machine has."""
        devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
        capabilities = Capabilities.of_logits(devices, list(DTYPES)).under_load(MOST_SEQUENCES)
        version = f"torch {torch.__version__}, transformers {transformers.__version__}"
        return Description("pytorch-baseline", version, build_facts(), capabilities)

    def refuse(self, spec: Spec) -> None:
        """Refuse a GPU that is not there, and a folder from which nothing could be loaded."""
        kind, _, index = spec.device.partition(":")
        if kind == "cuda" and int(index) >= torch.cuda.device_count():
            raise UnsupportedError(f"device {spec.device} is asked for; there are {torch.cuda.device_count()} GPUs")
        if spec.weights not in WEIGHTS:
            raise UnsupportedError(f"weights {spec.weights!r} are asked for; transformers opens {' or '.join(WEIGHTS)}")
        weight_files(Path(spec.model_dir), spec.weights)
        require_files(Path(spec.model_dir), ["config.json"])

    def load(self, spec: Spec) -> Loaded:
        """Read the weights and allocate the cache."""
        torch.set_num_threads(spec.threads)
        torch.set_num_interop_threads(1)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        self._device = torch.device(spec.device)
        with memory_errors():
            model = LlamaForCausalLM.from_pretrained(
                spec.model_dir, dtype=DTYPES[spec.dtype], attn_implementation=self._attention, local_files_only=True
            )
            self._model = model.to(self._device).eval()
            require_known_ids(spec.cases, self._model.config.vocab_size)
            self._allocate_cache(spec)
        self._synchronize()
        return Loaded(
            weights_dtype=spec.dtype,
            # On the CPU products of all types come out as if summed in f32; on a GPU torch lets cuBLAS sum in f16.
            compute_dtype="f32" if self._device.type == "cpu" else spec.dtype,
            kv_cache_dtype=spec.dtype,
            device=spec.device,
            threads=torch.get_num_threads(),
            batch_size=spec.places,
            simd=SIMD.get(torch.backends.cpu.get_cpu_capability()) if self._device.type == "cpu" else None,
        )

    def _allocate_cache(self, spec: Spec) -> None:
        config, kind = self._model.config, (self._model.dtype, self._device)
        if spec.stages:
            self._cache = Sequences(spec.places, spec.max_seq_len, config, *kind)
        else:
            self._cache = StaticCache(config=config, max_cache_len=spec.max_seq_len)
            self._cache.early_initialization(1, config.num_key_value_heads, config.head_dim, *kind)

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def reset(self) -> None:
        """Zero the cache, and wait until that has happened."""
        with torch.inference_mode():
            self._cache.reset()
        self._synchronize()

    def serve(self, stage: Stage) -> None:
        """As any engine of batches."""
        with memory_errors(), torch.inference_mode():
            super().serve(stage)

    def chooser(self, case: Case, number: int) -> Callable[[torch.Tensor], int]:
        """What chooses from logits where they are, on a GPU too."""
        sampling = case.sampling
        choose = Greedy() if sampling.is_greedy else Sampler(sampling, sampling.seed + number, self._device)
        return lambda logits: int(choose(logits).item())

    def prefill(self, places: Sequence[int], prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """All prompts in one forward(), the shorter ones padded behind, where no token looks at the padding."""
        lengths = [len(prompt) for prompt in prompts]
        padded = [[*prompt, *[0] * (max(lengths) - len(prompt))] for prompt in prompts]
        last = torch.tensor(lengths, device=self._device)[:, None] - 1
        self._sequences.begin(places, lengths)
        ids = torch.tensor(padded, device=self._device)
        return self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=last).logits[:, 0]

    def step(self, places: Sequence[int], ids: Sequence[int]) -> list[torch.Tensor]:
        """A token of each sequence in one forward(), each at its own position."""
        rows, positions, mask = self._sequences.go_on()
        chosen = dict(zip(places, ids, strict=True))
        output = self._model(
            input_ids=torch.tensor([[chosen[place]] for place in rows], device=self._device),
            attention_mask=mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        )
        return [output.logits[rows.index(place), -1] for place in places]

    def release(self, place: int) -> None:
        """Its row goes to the last one."""
        self._sequences.end(place)

    @property
    def _sequences(self) -> Sequences:
        if not isinstance(self._cache, Sequences):
            raise EngineError("the cache was made for one request at a time")
        return self._cache

    def generate(self, case: Case, seed: int, timings: Timings) -> None:
        """Prefill, then one forward() a token; an id counts from when the host has it."""
        sampling = case.sampling
        choose = Greedy() if sampling.is_greedy else Sampler(sampling, seed, self._device)
        with memory_errors(), torch.inference_mode():
            ids = torch.tensor([case.prompt_ids], device=self._device)
            forced = None if case.forced_ids is None else torch.tensor([case.forced_ids], device=self._device)
            while True:
                output = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
                logits = output.logits[0, -1]
                chosen = choose(logits)
                margin = top_margin(logits) if self._margins else None
                wanted = timings.push(int(chosen.item()), margin)
                if timings.wants_logits:
                    timings.push_logits(logits.float().cpu().numpy().astype("<f4").tobytes())
                if not wanted:
                    return
                ids = chosen.view(1, 1) if forced is None else forced[:, timings.count - 1, None]


def top_margin(logits: torch.Tensor) -> float:
    """Highest minus second highest logit."""
    highest = torch.topk(logits.float(), 2).values
    return float(highest[0] - highest[1])


if __name__ == "__main__":
    run(PytorchBaseline(), sys.argv[1:])
