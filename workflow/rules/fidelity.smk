"""Does each engine compute the same model? Greedy ids against those of the reference.

REQUIRED INPUTS
    <output_dir>/fidelity/reference/prompts.json, <output_dir>/model/manifest.json, the engines' build records,
    models/derived/**/manifest.json for engines that open another format than safetensors
OUTPUTS
    <output_dir>/fidelity/<engine>.json, <output_dir>/fidelity/reference/reference.json with the reference's logits beside it
"""

from benchmark_runner.campaign.weights import REFERENCE_DTYPE


rule fidelity:
    input:
        fidelity_of_all,
    # No output: the table is printed each time it is asked for.
    log:
        f"{OUT}/logs/stages/fidelity.log",
    localrule: True
    shell:
        "python -m benchmark_runner.fidelity {input:q} 2>&1 | told {log:q}"


rule compute_reference:
    input:
        plan=part(f"fidelity.{CAMPAIGN.reference}"),
        prompts=f"{OUT}/fidelity/reference/prompts.json",
        manifest=f"{OUT}/model/manifest.json",
        build=build_record_of(CAMPAIGN.reference),
        weights=CAMPAIGN.weights.manifest_of(CAMPAIGN.reference, REFERENCE_DTYPE),
    output:
        f"{OUT}/fidelity/reference/reference.json",
    log:
        f"{OUT}/logs/stages/compute_reference.log",
    priority: ABOVE_LAUNCHES + 1
    threads: workflow.cores
    resources:
        gpu=GPUS,
    shell:
        "exec python -m benchmark_runner.fidelity.reference"
        " --plan {input.plan:q}"
        " --prompts {input.prompts:q}"
        " --manifest {input.manifest:q}"
        " --out {output:q}"
        " 2> {log:q}"


rule check_fidelity:
    input:
        plan=lambda wildcards: part(f"fidelity.{wildcards.engine}"),
        prompts=f"{OUT}/fidelity/reference/prompts.json",
        reference=f"{OUT}/fidelity/reference/reference.json",
        build=lambda wildcards: build_record_of(wildcards.engine),
        weights=lambda wildcards: CAMPAIGN.weights.manifest_of(wildcards.engine),
    output:
        f"{OUT}/fidelity/{{engine}}.json",
    log:
        f"{OUT}/logs/stages/check_fidelity/{{engine}}.log",
    priority: ABOVE_LAUNCHES
    threads: workflow.cores
    resources:
        gpu=GPUS,
    shell:
        "exec python -m benchmark_runner.fidelity.check"
        " --plan {input.plan:q}"
        " --prompts {input.prompts:q}"
        " --engine {wildcards.engine:q}"
        " --reference {input.reference:q}"
        " --out {output:q}"
        " 2> {log:q}"
