"""The spec that a launch hands to its engine (workflow/schemas/spec.schema.yaml)."""

from __future__ import annotations

from typing import Any

from benchmark_runner.launch.inputs import LaunchInputs
from benchmark_runner.protocol.spec import make_spec, needed_seq_len


def build_spec(inputs: LaunchInputs, *, device: str, threads: int) -> dict[str, Any]:
    """Spec of one launch: all cases of the workload, as many rounds as the plan gives each launch."""
    cases = [
        {
            "prompt_ids": prompt_ids,
            "max_new_tokens": case["max_new_tokens"],
            "ignore_eos": case["ignore_eos"],
            "eos_ids": inputs.eos_ids,
            "sampling": {"temperature": case["temperature"], "top_p": case["top_p"], "seed": case["seed"]},
        }
        for case, prompt_ids in zip(inputs.workload["cases"], inputs.prompt_ids, strict=True)
    ]
    spec = make_spec(
        cases,
        model_dir=inputs.model_dir,
        weights=inputs.weights,
        dtype=inputs.engine["dtype"],
        device=device,
        threads=threads,
        max_seq_len=needed_seq_len(cases),
        options=inputs.engine["options"],
        warmup_iterations=inputs.workload["warmup_iterations"],
        iterations=inputs.workload["iterations_per_launch"],
    )
    # Not the engine's name: a spec is to be of one length for all engines that are asked for the same.
    return {**spec, "launch": {"workload": inputs.workload["name"], "block": inputs.place["block"]}}
