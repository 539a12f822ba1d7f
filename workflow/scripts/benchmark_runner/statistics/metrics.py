"""What is compared: each metric with its unit, its better direction and the words for people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from benchmark_runner.statistics.work import Part

Level = Literal["iteration", "token", "stage", "launch"]


@dataclass(frozen=True)
class Metric:
    """One measured quantity.

    short is its name above a column.

    level says what a raw value belongs to: an iteration (under load a request), a token within one, a stage (one level
    of load within a launch), or a whole launch. phrase is the sentence
    about two engines with {ratio} for the interval; inverse says that its ratio is value over value and not "times as
    good" (memory: "needs 0.8 times the memory of"). work names the parts of an iteration's work that a value is the
    time of, so that only equal amounts of them are compared. over_cases says what of its test cases a
    launch's value is, so that only launches of the same ones are compared. under_load is the phrase where others are in
    flight beside the request that a value belongs to.
    """

    name: str
    unit: str
    better: Literal["lower", "higher"]
    level: Level
    label: str
    definition: str
    phrase: str
    inverse: bool = False
    short: str = ""
    work: tuple[Part, ...] = ()
    over_cases: Literal["", "highest", "mean"] = ""
    under_load: str = ""

    def of_request(self) -> Metric:
        """The metric as a cell with load has it: of one request among those in flight, where its words do not tell."""
        return replace(self, label=f"{self.label} of a request", phrase=self.under_load) if self.under_load else self

    @property
    def several(self) -> bool:
        """Whether a launch has several values of it."""
        return self.level in ("iteration", "token")

    @property
    def title(self) -> str:
        """The name as a heading begins."""
        return f"{self.label[0].upper()}{self.label[1:]}"

    @property
    def axis(self) -> str:
        """Label of an axis: the name with its unit."""
        return f"{self.title}, {self.unit}"

    @property
    def sign(self) -> float:
        """Factor on a log ratio engine over reference that makes positive mean better."""
        return 1.0 if self.better == "higher" else -1.0


PRIMARY: Final = "e2e_ms"
"""The metric of the primary family: what a user of an engine waits for."""

METRICS: Final = (
    Metric(
        "e2e_ms",
        "ms",
        "lower",
        "iteration",
        "end-to-end latency",
        "end_ns - start_ns of an iteration",
        "answers {ratio} times as fast as",
        work=("prompt", "answer"),
        short="End-to-end",
    ),
    Metric(
        "ttft_ms",
        "ms",
        "lower",
        "iteration",
        "time to first token",
        "token_ns[0] - start_ns of an iteration",
        "gives its first token {ratio} times as fast as",
        work=("prompt",),
        short="TTFT",
    ),
    Metric(
        "itl_ms",
        "ms",
        "lower",
        "token",
        "inter-token latency",
        "token_ns[i] - token_ns[i-1], each gap a value",
        "goes from token to token {ratio} times as fast as",
        short="ITL",
    ),
    Metric(
        "tpot_ms",
        "ms",
        "lower",
        "iteration",
        "time per output token",
        "(token_ns[-1] - token_ns[0]) / (tokens - 1) of an iteration",
        "makes each further token {ratio} times as fast as",
        short="TPOT",
    ),
    Metric(
        "decode_tokens_per_s",
        "tokens/s",
        "higher",
        "iteration",
        "decode throughput",
        "1000 / tpot_ms",
        "decodes {ratio} times as fast as",
        short="Decode",
        under_load="decodes each request {ratio} times as fast as",
    ),
    Metric(
        "prefill_tokens_per_s",
        "tokens/s",
        "higher",
        "iteration",
        "prefill throughput",
        "1000 prompt_tokens / ttft_ms",
        "reads the prompt {ratio} times as fast as",
        short="Prefill",
        under_load="reads the prompt of each request, waiting included, {ratio} times as fast as",
    ),
    Metric(
        "total_tokens_per_s",
        "tokens/s",
        "higher",
        "iteration",
        "total throughput",
        "1000 tokens / e2e_ms",
        "yields tokens {ratio} times as fast as",
        work=("prompt",),
        short="Throughput",
        under_load="yields the tokens of each request {ratio} times as fast as",
    ),
    Metric(
        "load_ms",
        "ms",
        "lower",
        "launch",
        "load time",
        "load_end - load_start of a launch",
        "loads its model {ratio} times as fast as",
        short="Load",
    ),
    Metric(
        "peak_rss_bytes",
        "bytes",
        "lower",
        "launch",
        "peak memory",
        "largest resident memory of the engine's process tree that the monitor saw in a launch",
        "needs {ratio} times the memory of",
        inverse=True,
        short="Memory",
        over_cases="highest",
    ),
    Metric(
        "peak_vram_bytes",
        "bytes",
        "lower",
        "launch",
        "peak GPU memory",
        "largest GPU memory in use that the monitor saw in a launch",
        "needs {ratio} times the GPU memory of",
        inverse=True,
        short="GPU memory",
        over_cases="highest",
    ),
    Metric(
        "energy_joules_per_token",
        "J/token",
        "lower",
        "launch",
        "energy a token",
        "energy of the device that computed (GPU, else processor package) from the first measured iteration of a "
        "launch to the end of the last, over the tokens made in that time",
        "needs {ratio} times the energy of",
        inverse=True,
        short="Energy",
        over_cases="mean",
    ),
    Metric(
        "cpu_percent",
        "%",
        "lower",
        "launch",
        "processor use",
        "mean processor use of the engine's process tree in a launch; 100 is one core",
        "needs {ratio} times the processor time of",
        inverse=True,
        short="Processor",
        over_cases="mean",
    ),
    Metric(
        "gpu_utilization_percent",
        "%",
        "higher",
        "launch",
        "GPU utilisation",
        "mean utilisation of the GPU, by its driver, while the engine of a launch ran",
        "keeps the GPU {ratio} times as busy as",
        inverse=True,
        short="GPU",
        over_cases="mean",
    ),
)

LEVEL_ENERGY: Final = "level_joules_per_token"
"""The metric of a stage that only a counter of energy gives."""

STAGE_METRICS: Final = (
    Metric(
        "requests_per_s",
        "requests/s",
        "higher",
        "stage",
        "request throughput",
        "measured requests that ended ok, over the time in which they were served",
        "holds {ratio} times the requests a second of",
        work=("prompt", "answer"),
        short="Requests",
    ),
    Metric(
        "output_tokens_per_s",
        "tokens/s",
        "higher",
        "stage",
        "output throughput of all requests",
        "tokens of the measured requests, over the time in which they were served",
        "yields {ratio} times the tokens a second of",
        work=("prompt",),
        short="Output",
    ),
    Metric(
        "goodput_requests_per_s",
        "requests/s",
        "higher",
        "stage",
        "goodput",
        "measured requests that keep every limit of analysis.slo, over the time in which all were served",
        "holds {ratio} times the requests a second within the limits of",
        work=("prompt", "answer"),
        short="Goodput",
    ),
    Metric(
        LEVEL_ENERGY,
        "J/token",
        "lower",
        "stage",
        "energy a token at a level",
        "energy of the device that computed (GPU, else processor package) in the window of the stage, over all tokens "
        "generated in it",
        "needs {ratio} times the energy of",
        inverse=True,
        short="Energy",
    ),
)
"""Metrics of cells with load: one value a launch, of all requests of the stage together."""

BY_NAME: Final = {metric.name: metric for metric in (*METRICS, *STAGE_METRICS)}
CASE_METRICS: Final = tuple(metric for metric in METRICS if metric.level != "launch")
LAUNCH_METRICS: Final = tuple(metric for metric in METRICS if metric.level == "launch")
