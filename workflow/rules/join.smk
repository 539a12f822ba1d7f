"""Several results folders as one campaign: --config folders=a,b names them, output_dir the one that is made.

REQUIRED INPUTS
    of each folder {plan,environment}.json, model/manifest.json, launches/**/record.json
OUTPUTS
    <output_dir>/{joined,plan,environment,looks}.json, model/manifest.json, launches/**, fidelity/<engine>.json, nodes/<block>.json,
    calibration.json; what an analysis makes follows in a call of its own, which onsuccess begins
"""


def not_joined_yet(wildcards):
    """Made whatever the times of files say: it was looked whether it is as it would be made now."""
    workflow.dag.forcefiles.add(f"{OUT}/plan.json")
    return f"{OUT}/plan.json"


WANTED = not_joined_yet


rule join:
    input:
        not_joined_yet,


rule report:
    input:
        not_joined_yet,


rule join_folders:
    output:
        # Snakemake takes away none of what is there.
        update(f"{OUT}/plan.json"),
    log:
        f"{OUT}/logs/stages/join_folders.log",
    localrule: True
    params:
        joined=lambda wildcards, output: str(frozen_file(FROZEN)),  # as in write_part
    shell:
        "python -m benchmark_runner.campaign.join"
        " --joined {params.joined:q}"
        " --out {output:q}"
        " 2>&1 | told {log:q}"
