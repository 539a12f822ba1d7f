"""What the campaign runs on and with; told by the machine that measures, before its first launch.

REQUIRED INPUTS
    <output_dir>/model/manifest.json, the engines' build records
OUTPUTS
    <output_dir>/environment.json, <output_dir>/calibration.json, <output_dir>/load_calibration.json, and
    <output_dir>/nodes/<block>.json where a batch system chooses a node for each block
"""


rule record_environment:
    input:
        plan=part("analysis"),
        manifest=f"{OUT}/model/manifest.json",
        builds=build_records,
    output:
        # A call that measures nothing keeps what the document says of the machine that did.
        in_report(
            update(f"{OUT}/environment.json"), "environment", "How it was measured"
        ),
    log:
        f"{OUT}/logs/stages/record_environment.log",
    priority: ABOVE_LAUNCHES
    # On a node a job sees the cores that it asks for.
    threads: lambda wildcards: workflow.cores if elsewhere() else 1
    resources:
        gpu=lambda wildcards: GPUS if elsewhere() else 0,
    params:
        owed=str(OWED),
    shell:
        "python -m benchmark_runner.environment"
        " --plan {input.plan:q}"
        " --owed {params.owed:q}"
        " --manifest {input.manifest:q}"
        ' --locks "$BENCHMARK_RUNNER_ROOT"/envs/*.txt'
        ' --repository "$BENCHMARK_RUNNER_ROOT"'
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule record_node:
    input:
        plan=f"{OUT}/plan.json",
        environment=ancient(f"{OUT}/environment.json"),
    output:
        update(f"{OUT}/nodes/{{block}}.json"),
    log:
        f"{OUT}/logs/stages/record_node/{{block}}.log",
    wildcard_constraints:
        block="[0-9]+",
    priority: ABOVE_LAUNCHES
    group:
        lambda wildcards: block_group(wildcards.block)
    threads: workflow.cores
    resources:
        gpu=GPUS,
        runtime=2,
    shell:
        "python -m benchmark_runner.campaign.node"
        " --plan {input.plan:q}"
        " --environment {input.environment:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule calibrate:
    output:
        in_report(f"{OUT}/calibration.json", "calibration", "How it was measured"),
    log:
        f"{OUT}/logs/stages/calibrate.log",
    priority: ABOVE_LAUNCHES
    # Alone on the machine, as a launch.
    threads: workflow.cores
    resources:
        gpu=GPUS,
    params:
        config=lambda wildcards, output: str(frozen_file(FROZEN)),  # as in write_part
        # Of the configuration it depends on these alone.
        system=[
            CAMPAIGN.config["system"][key]
            for key in ("threads", "cpu_affinity", "calibration_seconds")
        ],
    shell:
        "exec python -m benchmark_runner.performance.calibrate"
        " --config {params.config:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule calibrate_load:
    output:
        in_report(
            f"{OUT}/load_calibration.json", "load_calibration", "How it was measured"
        ),
    log:
        f"{OUT}/logs/stages/calibrate_load.log",
    priority: ABOVE_LAUNCHES
    # Alone on the machine, as a launch.
    threads: workflow.cores
    resources:
        gpu=GPUS,
    params:
        config=lambda wildcards, output: str(frozen_file(FROZEN)),  # as in write_part
        streams=STREAMS,
        system=[
            CAMPAIGN.config["system"][key]
            for key in ("threads", "cpu_affinity", "calibration_seconds")
        ],
    shell:
        "exec python -m benchmark_runner.performance.calibrate_load"
        " --config {params.config:q}"
        " --streams={params.streams:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"
