"""In place of all that measures, under analyze_only: the campaign is what its results folder tells.

REQUIRED INPUTS
    <output_dir>/{plan,environment}.json, <output_dir>/model/manifest.json
OUTPUTS
    <output_dir>/plan/<part>.<hash>.json
"""


rule write_recorded_part:
    input:
        f"{OUT}/plan.json",
    output:
        f"{OUT}/plan/{{part}}.{{hash}}.json",
    log:
        f"{OUT}/logs/stages/write_part/{{part}}.{{hash}}.log",
    wildcard_constraints:
        part=r"[A-Za-z0-9_.-]+",
        hash="[0-9a-f]{12}",
    localrule: True
    params:
        folder=OUT,
        # As in write_part: other overrides make no part again.
        overrides=lambda wildcards, output: str(frozen_file(FROZEN)),
    shell:
        "python -m benchmark_runner.campaign.recorded"
        " --output-dir {params.folder:q}"
        " --overrides {params.overrides:q}"
        " --part {wildcards.part:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"
