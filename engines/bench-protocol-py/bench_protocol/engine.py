"""What an adapter implements."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from bench_protocol.spec import Case, Spec
    from bench_protocol.timings import Timings


class Capabilities(NamedTuple):
    """What the adapter can do here; all else is refused before anything is loaded."""

    devices: list[str]
    """Kinds of device: cpu, cuda."""
    dtypes: list[str]
    sampling: list[str]
    """Ways to choose a token: greedy, temperature, top_p."""
    seed: bool
    """Whether a seed makes sampling repeatable; False where the engine draws from a generator that no seed reaches."""
    load_modes: list[str]
    max_concurrency: int
    ignore_eos: bool
    """Whether it can go on past an end-of-sequence id."""
    teacher_forcing: bool = False
    """Whether it can be fed other ids than it chose (forced_ids)."""
    logits: bool = False
    """Whether it can give the logits behind each token (logits_path)."""
    prompt_ids: bool = True
    """Whether it computes on a prompt's ids as they are given; False where it takes a line of text."""
    token_ids: bool = True
    """Whether the ids are the engine's own; False where the adapter makes them from its text."""
    loads_each_time: bool = False
    """Whether it loads the model anew for each iteration, before the start that it tells."""

    @classmethod
    def of_logits(cls, devices: list[str], dtypes: list[str]) -> Capabilities:
        """Of an engine that gives logits: one request at a time, sampled in every way, seeded, with teacher forcing."""
        return cls(
            devices=devices,
            dtypes=dtypes,
            sampling=["greedy", "temperature", "top_p"],
            seed=True,
            load_modes=["closed"],
            max_concurrency=1,
            ignore_eos=True,
            teacher_forcing=True,
            logits=True,
        )

    def under_load(self, most: int) -> Capabilities:
        """The same of an engine that decodes up to so many requests together."""
        return self._replace(load_modes=["closed", "open"], max_concurrency=most)


class Description(NamedTuple):
    """Who speaks: the content of hello."""

    engine: str
    """Name of the adapter."""
    version: str
    """Version of the engine behind it."""
    build: dict[str, Any]
    """Compiler, flags and libraries as far as the adapter knows them."""
    capabilities: Capabilities


class Loaded(NamedTuple):
    """What the engine says about itself when the first prompt could be taken: the content of load_end."""

    weights_dtype: str
    compute_dtype: str
    kv_cache_dtype: str
    device: str
    threads: int
    """Computing threads that the engine set up."""
    batch_size: int = 1
    """Sequences that one step computes."""
    simd: str | None = None
    """Vector instructions of the kernels that compute on the CPU, by the word of the engine or its library, as avx2;
    None where it tells none: an adapter does not guess it from the processor."""
    compiled_graph: bool = False
    """Whether the model runs as a graph that was compiled or captured (torch.compile, CUDA graphs, fused streams)."""


class Engine(ABC):
    """One engine behind the protocol; the methods are called in this order."""

    batching: ClassVar[str | None] = None
    """How requests under load join those that are decoded, continuous or static; None of one request at a time."""

    def now_ns(self) -> int:
        """Time of all events, unit: ns; an engine of tests may have a clock of its own."""
        return time.monotonic_ns()

    @abstractmethod
    def configure(self, options: dict[str, Any]) -> None:
        """Take the spec's options; raises UnsupportedError for one that is unknown or cannot be used."""

    @abstractmethod
    def describe(self) -> Description:
        """Who speaks; called after configure, also where that has failed."""

    def refuse(self, spec: Spec) -> None:  # noqa: B027  most engines have nothing to add
        """Raise UnsupportedError or BadSpecError for what the capabilities do not tell; no weights are opened."""

    @abstractmethod
    def load(self, spec: Spec) -> Loaded:
        """Load the model, so that the first prompt could be taken."""

    @abstractmethod
    def reset(self) -> None:
        """Empty all caches; called before each request, outside its time."""

    @abstractmethod
    def generate(self, case: Case, seed: int, timings: Timings) -> None:
        """Generate from case.prompt_ids; push each id to timings as soon as the host knows it, until push says stop."""

    def close(self) -> None:  # noqa: B027  most engines end with their process
        """End what was started outside this process; called after the last request, before done."""
