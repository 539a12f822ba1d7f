"""What a launch is told (its place in the plan, prompts, model, build), and the spec that it makes of that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmark_runner.configuration.not_asked import as_asked, not_asked
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.jsonio import read_json, read_valid
from benchmark_runner.load.schedule import with_arrivals
from benchmark_runner.model.formats import DerivedWeights, format_of, read_derived
from benchmark_runner.protocol.draw import BlockDraw
from benchmark_runner.protocol.spec import make_spec, needed_seq_len, under_load
from benchmark_runner.records.build import read_build


class LaunchInputs(NamedTuple):
    """All that determines one launch, read and cross-checked."""

    plan: dict[str, Any]
    place: dict[str, Any]
    """The launch's entry in plan.order."""
    engine: dict[str, Any]
    workload: dict[str, Any]
    prompt_ids: list[list[int]]
    """One prompt a case of the workload, of those too that this engine is not asked for."""
    pools: dict[str, list[dict[str, Any]]]
    """Prompts of the user's files, by the hash of the file; each level of load is given some of them."""
    eos_ids: list[int]
    manifest: dict[str, Any]
    """Of the model, whatever format the engine opens."""
    derived: DerivedWeights | None
    """What the engine opens instead of the model's own folder; None where it opens that."""
    model_dir: Path
    """Folder that the engine opens."""
    build: dict[str, Any] | None
    """The build record; None for a binary that the user brought."""
    reserved_bytes: int | None = None
    """Memory that a batch system gives the engine; None where none is told."""

    @property
    def not_asked(self) -> dict[str, str]:
        """Why this engine is not asked for a test case of the workload, by test case."""
        return not_asked(self.plan, self.engine["name"], self.workload["name"])

    @property
    def asked(self) -> dict[str, Any]:
        """The workload with the test cases that this engine is asked for."""
        return as_asked(self.plan, self.engine["name"], self.workload)

    @property
    def system(self) -> dict[str, Any]:
        """The section `system` of the configuration."""
        return dict(self.plan["config"]["system"])

    @property
    def monitoring(self) -> dict[str, Any]:
        """The section `monitoring` of the configuration."""
        return dict(self.plan["config"]["monitoring"])

    @property
    def binary(self) -> Path:
        """Absolute path of the engine's program."""
        return Path(self.engine["binary_path"]).absolute()

    @property
    def weights(self) -> str:
        """Name of the weight file inside model_dir."""
        return str((self.derived.manifest if self.derived else self.manifest)["weights"])

    @property
    def vocab_size(self) -> int | None:
        """Number of token ids that the model has; None where its manifest does not tell."""
        size: int | None = self.manifest.get("architecture", {}).get("vocab_size")
        return size

    @property
    def prompts_sha256(self) -> str:
        """Hash of this launch's prompts alone: another workload's prompts do not change it."""
        return hashlib.sha256(json.dumps(self.prompt_ids, separators=(",", ":")).encode()).hexdigest()


def _named(entries: list[dict[str, Any]], name: str, where: str) -> dict[str, Any]:
    by_name = {entry["name"]: entry for entry in entries}
    if name not in by_name:
        raise BenchmarkError(f"{where} has no '{name}', only {', '.join(by_name)}; make the plan again: snakemake plan")
    return by_name[name]


def workload_prompts(prompts: Mapping[str, Any], workload: Mapping[str, Any]) -> list[list[int]]:
    """Token ids of each case of the workload, in its order; raises BenchmarkError where a case has none."""
    by_case = {entry["case"]: entry["prompt_ids"] for entry in prompts["workloads"].get(workload["name"], [])}
    missing = [case["name"] for case in workload["cases"] if case["name"] not in by_case]
    if missing:
        raise BenchmarkError(
            f"prompts.json has no prompt for {', '.join(missing)} of workload {workload['name']}; "
            "delete it and run again"
        )
    return [by_case[case["name"]] for case in workload["cases"]]


def place_in(plan: Mapping[str, Any], *, engine: str, workload: str, identity: str, block: int) -> dict[str, Any]:
    """The launch's entry in plan.order; raises BenchmarkError where the plan does not know it."""
    wanted = {"engine": engine, "workload": workload, "identity": identity, "block": block}
    for entry in plan["order"]:
        if wanted.items() <= entry.items():
            return dict(entry)
    raise BenchmarkError(
        f"plan.json has no launch {block} of {engine} on {workload} with identity {identity}; run snakemake again, "
        "which makes plan.json from the present configuration"
    )


def read_inputs(
    plan_file: Path,
    prompts_file: Path,
    manifest_file: Path,
    *,
    engine: str,
    workload: str,
    identity: str,
    block: int,
    model_dir: Path | None,
) -> LaunchInputs:
    """Read the files of a launch; raises BenchmarkError where they are missing, broken or disagree."""
    plan = read_json(plan_file)
    prompts = read_json(prompts_file)
    planned_engine = _named(plan["engines"], engine, f"{plan_file}: engines")
    planned_workload = _named(plan["workloads"], workload, f"{plan_file}: workloads")
    derived = read_derived(plan["model"], format_of(planned_engine), planned_engine["dtype"])
    own_dir = (model_dir or Path(plan["model"]["path"])).absolute()
    return LaunchInputs(
        plan=plan,
        place=place_in(plan, engine=engine, workload=workload, identity=identity, block=block),
        engine=planned_engine,
        workload=planned_workload,
        prompt_ids=workload_prompts(prompts, planned_workload),
        pools=prompts.get("pools", {}),
        eos_ids=prompts["eos_ids"],
        manifest=read_valid("manifest", manifest_file),
        derived=derived,
        model_dir=derived.folder if derived else own_dir,
        build=read_build(planned_engine["build_record"]),
    )


def build_spec(inputs: LaunchInputs, *, device: str, threads: int) -> dict[str, Any]:
    """Spec of one launch: the cases that the engine is asked for, as many rounds as the plan gives each launch; of one
    under load all their levels, with what is drawn for this block.

    Whatever the engine is not asked for, the others are drawn, follow each other and have room as for all engines.
    """
    planned, block = inputs.workload["cases"], inputs.place["block"]
    kept = [number for number, case in enumerate(planned) if case["name"] not in inputs.not_asked]
    cases: list[dict[str, Any]] = [
        {
            "prompt_ids": prompt_ids,
            "max_new_tokens": case["max_new_tokens"],
            "ignore_eos": case["ignore_eos"],
            "eos_ids": inputs.eos_ids,
            "sampling": {"temperature": case["temperature"], "top_p": case["top_p"], "seed": case["seed"]},
        }
        for case, prompt_ids in zip(planned, inputs.prompt_ids, strict=True)
    ]
    spec = make_spec(
        [cases[number] for number in kept],
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
    if "load" in planned[0]:
        draw = BlockDraw(inputs.plan["campaign"]["seed"], block)
        drawn = draw.cases(cases, planned, inputs.pools)
        spec["cases"] = [
            {**case, "load": with_arrivals(case["load"], len(case["prompts"]))}
            for case in (drawn[number] for number in kept)
        ]
        spec = under_load(spec, [kept.index(number) for number in draw.stages(len(cases)) if number in kept])
    # Not the engine's name: a spec is to be of one length for all engines that are asked for the same.
    return {**spec, "launch": {"workload": inputs.workload["name"], "block": block}}
