"""Launches: one fresh process each, alone on the machine, in randomised complete blocks.

A launch that has its record is no job: the record is a fact, which Snakemake treats as a source file. run_launch makes
only those that are owed, so that no changed file, parameter or rule can measure again what was measured.

REQUIRED INPUTS
    <output_dir>/plan.json, <output_dir>/prompts.json, <output_dir>/model/manifest.json, the engines' build records,
    models/derived/**/manifest.json for engines that open another format than safetensors
OUTPUTS
    <output_dir>/launches/<engine>/<workload>.<identity>/<block>/{record.json,events.jsonl,metrics.jsonl,engine.log};
    of the pilot of a campaign under `search: capacity` besides <output_dir>/grids/<workload>.<what it is for>.json
"""

from benchmark_runner.campaign.cluster import engine_memory_mb, launch_minutes
from benchmark_runner.campaign.planned import launch_pattern


rule launches:
    input:
        whole(*MEASURED),


rule run_launch:
    input:
        plan=f"{OUT}/plan.json",
        prompts=f"{OUT}/prompts.json",
        manifest=f"{OUT}/model/manifest.json",
        model=ancient(f"{MODEL.path}/config.json"),
        builds=build_records,
        weights=CAMPAIGN.weights.manifests,
        node=node_of,
    output:
        # Snakemake takes away none of these before the launch looks whether it was measured meanwhile.
        record=update(f"{OUT}/launches/{{launch}}/record.json"),
        events=update(f"{OUT}/launches/{{launch}}/events.jsonl"),
        metrics=update(f"{OUT}/launches/{{launch}}/metrics.jsonl"),
        engine_log=update(f"{OUT}/launches/{{launch}}/engine.log"),
    log:
        f"{OUT}/launches/{{launch}}/launch.log",
    wildcard_constraints:
        launch=launch_pattern(LAUNCHES),
    priority: lambda wildcards: CAMPAIGN.priority(wildcards.launch)
    group:
        lambda wildcards: block_group(LAUNCHES[wildcards.launch].block)
    threads: workflow.cores
    resources:
        gpu=GPUS,
        runtime=launch_minutes(CAMPAIGN.config["system"]),
        mem_mb=MEMORY_MB,
    params:
        # One for all that the plan says: Snakemake looks at each function's signature twice for each launch.
        planned=lambda wildcards: LAUNCHES[wildcards.launch],
        attempt=lambda wildcards: CAMPAIGN.attempt(wildcards.launch),
        owed=str(OWED),
        memory_mb=lambda wildcards, resources: (
            engine_memory_mb(
                CAMPAIGN.config["system"], resources.mem_mb, memory_mb(has_model())
            )
            if elsewhere()
            else 0
        ),
    shell:
        "exec python -m benchmark_runner.launch"
        " --plan {input.plan:q}"
        " --prompts {input.prompts:q}"
        " --model-manifest {input.manifest:q}"
        " --engine {params.planned.engine:q}"
        " --workload {params.planned.workload:q}"
        " --identity {params.planned.identity:q}"
        " --block {params.planned.block:q}"
        " --attempt {params.attempt:q}"
        " --owed {params.owed:q}"
        " --memory-mb {params.memory_mb:q}"
        " --out-dir {params.planned.folder:q}"
        " --log {log:q}"


if CAMPAIGN.owed_grids:

    rule find_levels:
        input:
            plan=f"{OUT}/plan.json",
            records=lambda wildcards: [
                launch.record
                for launch in CAMPAIGN.launches
                if launch.workload == wildcards.workload
            ],
        output:
            f"{OUT}/grids/{{workload}}.{{asked}}.json",
        log:
            f"{OUT}/logs/stages/find_levels/{{workload}}.{{asked}}.log",
        wildcard_constraints:
            workload="|".join(CAMPAIGN.owed_grids),
            asked="[0-9a-f]+",
        localrule: True
        params:
            launches=f"{OUT}/launches",
        shell:
            "python -m benchmark_runner.planning.search"
            " --plan {input.plan:q}"
            " --workload {wildcards.workload:q}"
            " --launches {params.launches:q}"
            " --out {output:q}"
            " 2>&1 | told {log:q}"
