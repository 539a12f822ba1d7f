"""What the campaign runs on and with; told by the machine that measures, before its first launch.

REQUIRED INPUTS
    <output_dir>/model/manifest.json, the engines' build records
OUTPUTS
    <output_dir>/environment.json
"""


rule record_environment:
    input:
        plan=part("analysis"),
        manifest=f"{OUT}/model/manifest.json",
        builds=build_records,
    output:
        f"{OUT}/environment.json",
    log:
        f"{OUT}/logs/stages/record_environment.log",
    priority: ABOVE_LAUNCHES
    conda:
        "../../envs/workflow.yaml"
    shell:
        "python -m benchmark_runner.environment"
        " --plan {input.plan:q}"
        " --manifest {input.manifest:q}"
        ' --locks "$BENCHMARK_RUNNER_ROOT"/envs/*.txt'
        ' --repository "$BENCHMARK_RUNNER_ROOT"'
        " --out {output:q}"
        " > {log:q} 2>&1"
