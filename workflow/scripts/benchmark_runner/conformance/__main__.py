"""The stage that puts an adapter through the protocol and prints a table of what it keeps."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmark_runner.configuration.messages import bounded_number
from benchmark_runner.conformance.checks import CheckResult, judge
from benchmark_runner.conformance.evidence import Evidence, Outcome, gather, run_for_checks
from benchmark_runner.conformance.specs import Setup, served_spec
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, write_json
from benchmark_runner.launch.cores import divide_cores, read_topology
from benchmark_runner.launch.device import ONLY_GPU, VISIBLE, visible_gpu
from benchmark_runner.launch.program import why_missing
from benchmark_runner.launch.server import server_of
from benchmark_runner.model.checkpoint import weights_name
from benchmark_runner.model.formats import derived_manifest
from benchmark_runner.monitor.gpu import HIDDEN
from benchmark_runner.processes.adapter import Limit, Limits
from benchmark_runner.processes.engine import engine_environment
from benchmark_runner.processes.guard import guarded
from benchmark_runner.processes.watch import Watch
from benchmark_runner.records.build import read_build
from benchmark_runner.terminal import printable

SCHEMA_VERSION: Final = 1

TIMEOUT_SECONDS: Final = 300.0
"""For one run of a few tokens, the load of a large model included (chosen)."""


def _checked_device(text: str) -> str:
    if not re.fullmatch("cpu|cuda(:[0-9]{1,2})?", text):
        raise BenchmarkError(f"--device: {text!r} is no device; write cpu or cuda:N")
    return text


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark_runner.conformance", description=__doc__)
    parser.add_argument("--binary", type=Path, required=True, help="the adapter")
    parser.add_argument("--model-dir", type=Path, required=True, help="folder with config.json and the weights")
    parser.add_argument("--engine", required=True, help="name of the engine in the configuration")
    parser.add_argument("--out", type=Path, required=True, help="where the findings are put, as JSON")
    parser.add_argument("--work", type=Path, required=True, help="folder for specs, events and logs of the runs")
    parser.add_argument("--options", type=Path, help="JSON file with the engine's options; by default none")
    parser.add_argument("--server", type=Path, help="JSON file with the plan's entry `server` of one that already runs")
    parser.add_argument("--weights", help="weight file inside the model's folder; by default the one that is there")
    parser.add_argument("--dtype", choices=["f32", "f16", "bf16"], default="f32")
    parser.add_argument("--device", type=_checked_device, default="cpu", help="cpu or cuda:N")
    parser.add_argument("--threads", type=bounded_number("--threads", "system.threads"), default=1)
    timeout = bounded_number("--timeout-seconds", "system.launch_timeout_seconds")
    parser.add_argument("--timeout-seconds", type=timeout, default=TIMEOUT_SECONDS, help="limit of one run")
    return parser.parse_args(argv)


def _weights_in(model_dir: Path) -> str:
    """The weight file of a model or of derived weights; raises BenchmarkError where there is none, with the reason."""
    manifest = derived_manifest(model_dir)
    if manifest is None:
        return weights_name(model_dir)
    if manifest["status"] != "ok":
        raise BenchmarkError(f"{model_dir} holds no weights: {manifest['reason']}; {manifest['remedy']}")
    return str(manifest["weights"])


def _environment(device: str, threads: int) -> dict[str, str]:
    """The environment of a launch, so that an adapter that passes here does not fail there."""
    kind, _, number = device.partition(":")
    visible = visible_gpu(int(number or 0), os.environ.get(VISIBLE)) if kind == "cuda" else ""
    if kind == "cuda" and not visible:
        raise BenchmarkError(f"--device {device}: {HIDDEN}")
    return engine_environment(os.environ, visible_gpus=visible, threads=threads)


def _table(findings: Sequence[CheckResult]) -> str:
    width = max(len(finding.check) for finding in findings)
    return "\n".join(
        printable(f"{finding.check:<{width}}  {finding.outcome:<7}  {finding.detail or finding.rule}")
        for finding in findings
    )


def _summary(engine: str, findings: Sequence[CheckResult]) -> str:
    counts = {
        outcome: sum(finding.outcome == outcome for finding in findings) for outcome in ("passed", "failed", "skipped")
    }
    word = "keeps" if counts["failed"] == 0 else "breaks"
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    return f"{engine} {word} the protocol: {told}"


def _content(engine: str, binary: Path, evidence: Evidence, findings: Sequence[CheckResult]) -> dict[str, Any]:
    hello = evidence.probe.named("hello")
    return {
        "schema_version": SCHEMA_VERSION,
        "engine": engine,
        "binary": str(binary),
        "conforms": all(finding.outcome != "failed" for finding in findings),
        "hello": dict(hello[0]) if hello else None,
        "checks": [asdict(finding) for finding in findings],
    }


def main(argv: Sequence[str]) -> int:
    """Put an adapter through all checks; status 1 where one fails."""
    options = _arguments(argv)
    record = options.binary.with_name(f"{options.binary.name}.build.json")
    build = read_build(record)
    engine = {"binary_path": str(options.binary), "build_record": str(record), "build_device": "cpu", **(build or {})}
    engine |= {} if options.server is None else read_json(options.server)
    missing = why_missing(engine, build, None)
    if missing is not None:
        raise BenchmarkError(f"{missing.reason}; {missing.remedy}")
    setup = Setup(
        model_dir=options.model_dir,
        weights=options.weights or _weights_in(options.model_dir),
        dtype=options.dtype,
        device=ONLY_GPU if options.device.startswith("cuda") else options.device,
        threads=options.threads,
        options={} if options.options is None else read_json(options.options),
    )
    environment = _environment(options.device, options.threads)

    cores = divide_cores(read_topology(), threads=options.threads, affinity=None)
    limits = Limits(*[Limit(options.timeout_seconds, "--timeout-seconds")] * 3)

    def run(name: str, spec: Mapping[str, Any] | str) -> Outcome:
        return run_for_checks(
            options.binary,
            spec,
            folder=options.work / name,
            environment=environment,
            cores=cores.engine,
            limits=limits,
            watch=watch,
            server=server_of(engine, served_spec(setup, spec), build, cores=cores, limits=limits),
        )

    with Watch() as watch:
        evidence = gather(setup, run)
    findings = judge(evidence)
    write_json(options.out, _content(options.engine, options.binary, evidence, findings))
    print(_table(findings))
    print(_summary(options.engine, findings))
    return 0 if all(finding.outcome != "failed" for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: exit_status(main, sys.argv[1:])))
