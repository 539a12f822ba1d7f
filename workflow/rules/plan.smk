"""Which launches there will be, in which order, and what they can find out.

REQUIRED INPUTS
    none but the configuration
OUTPUTS
    <output_dir>/plan.json, what `plan` prints of it, and <output_dir>/plan/<part>.<hash>.json for the stages that depend on a part of it
"""


rule plan:
    input:
        part("campaign"),
        plan=f"{OUT}/plan.json",
    # No output: what it prints changes with every finished launch, so it is never up to date.
    log:
        f"{OUT}/logs/stages/plan.log",
    localrule: True
    params:
        config=str(frozen_file(FROZEN)),
        wanted=GIVEN.wanted_difference,
    shell:
        "python -m benchmark_runner.planning.forecast"
        " --plan {input.plan:q}"
        " --config {params.config:q}"
        " --wanted-difference={params.wanted:q}"
        ' --engines-folder "$BENCHMARK_RUNNER_ROOT"/engines'
        " 2>&1 | told {log:q}"


rule write_plan:
    input:
        ancient(part("campaign")),
    output:
        f"{OUT}/plan.json",
    log:
        f"{OUT}/logs/stages/write_plan.log",
    localrule: True
    params:
        config=str(frozen_file(FROZEN)),
        # Sources of engines and the content of the model belong to the plan beside the configuration.
        identities=[launch.identity for launch in CAMPAIGN.launches],
    shell:
        "python -m benchmark_runner.planning.plan"
        " --config {params.config:q}"
        ' --engines-folder "$BENCHMARK_RUNNER_ROOT"/engines'
        " --out {output:q}"
        " 2>&1 | told {log:q}"


rule write_part:
    output:
        f"{OUT}/plan/{{part}}.{{hash}}.json",
    log:
        f"{OUT}/logs/stages/write_part/{{part}}.{{hash}}.log",
    wildcard_constraints:
        part=r"[A-Za-z0-9_.-]+",
        hash="[0-9a-f]{12}",
    priority: ABOVE_LAUNCHES + 3
    localrule: True
    params:
        # The name holds the hash of the content, so another configuration makes no part again. Snakemake does not
        # compare parameters that a function derives from output.
        config=lambda wildcards, output: str(frozen_file(FROZEN)),
    shell:
        "python -m benchmark_runner.campaign.parts"
        " --config {params.config:q}"
        ' --engines-folder "$BENCHMARK_RUNNER_ROOT"/engines'
        " --part {wildcards.part:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"
