"""Launches: one fresh process each, alone on the machine, in randomised complete blocks.

REQUIRED INPUTS
    <output_dir>/plan.json, <output_dir>/prompts.json, <output_dir>/model/manifest.json, the engines' build records
OUTPUTS
    <output_dir>/launches/<engine>/<workload>.<identity>/<block>/{record.json,events.jsonl,metrics.jsonl,engine.log}
"""


rule launches:
    input:
        [launch.record for launch in CAMPAIGN.launches],


rule run_launch:
    input:
        plan=ancient(f"{OUT}/plan.json"),
        prompts=ancient(f"{OUT}/prompts.json"),
        manifest=ancient(f"{OUT}/model/manifest.json"),
        builds=build_records,
    output:
        record=f"{LAUNCH}/record.json",
        events=f"{LAUNCH}/events.jsonl",
        metrics=f"{LAUNCH}/metrics.jsonl",
        engine_log=f"{LAUNCH}/engine.log",
    log:
        f"{LAUNCH}/launch.log",
    priority: lambda wildcards: CAMPAIGN.priority(launch_folder(wildcards))
    conda:
        "../../envs/workflow.yaml"
    threads: workflow.cores
    resources:
        gpu=1,
    params:
        folder=subpath(output.record, parent=True),
        attempt=lambda wildcards: CAMPAIGN.attempt(
            wildcards.engine, launch_folder(wildcards)
        ),
    shell:
        "exec python -m benchmark_runner.launch"
        " --plan {input.plan:q}"
        " --prompts {input.prompts:q}"
        " --model-manifest {input.manifest:q}"
        " --engine {wildcards.engine:q}"
        " --workload {wildcards.workload:q}"
        " --identity {wildcards.identity:q}"
        " --block {wildcards.block:q}"
        " --attempt {params.attempt:q}"
        " --out-dir {params.folder:q}"
        " --log {log:q}"
