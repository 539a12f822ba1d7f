"""Does each engine compute the same model? Greedy ids against those of the reference, and any adapter's conformance.

REQUIRED INPUTS
    <output_dir>/plan.json, <output_dir>/prompts.json, the engines' build records
OUTPUTS
    <output_dir>/fidelity/<engine>.json, <output_dir>/conformance/<engine>.json
"""


rule compute_reference:
    input:
        plan=ancient(f"{OUT}/plan.json"),
        prompts=ancient(f"{OUT}/prompts.json"),
        manifest=ancient(f"{OUT}/model/manifest.json"),
        builds=build_records,
    output:
        f"{OUT}/fidelity/reference/reference.json",
    log:
        f"{OUT}/logs/stages/compute_reference.log",
    priority: 1000001
    conda:
        "../../envs/workflow.yaml"
    threads: workflow.cores
    resources:
        gpu=1,
    params:
        owed=CAMPAIGN.fingerprint("fidelity", "model"),
    shell:
        "exec python -m benchmark_runner.fidelity.reference"
        " --plan {input.plan:q}"
        " --prompts {input.prompts:q}"
        " --manifest {input.manifest:q}"
        " --out {output:q}"
        " > {log:q} 2>&1"


rule check_fidelity:
    input:
        plan=ancient(f"{OUT}/plan.json"),
        prompts=ancient(f"{OUT}/prompts.json"),
        reference=f"{OUT}/fidelity/reference/reference.json",
        builds=build_records,
    output:
        f"{OUT}/fidelity/{{engine}}.json",
    log:
        f"{OUT}/logs/stages/check_fidelity/{{engine}}.log",
    priority: 1000000
    conda:
        "../../envs/workflow.yaml"
    threads: workflow.cores
    resources:
        gpu=1,
    params:
        owed=lambda wildcards: CAMPAIGN.engine_fingerprint(wildcards.engine),
    shell:
        "exec python -m benchmark_runner.fidelity.check"
        " --plan {input.plan:q}"
        " --prompts {input.prompts:q}"
        " --engine {wildcards.engine:q}"
        " --reference {input.reference:q}"
        " --out {output:q}"
        " > {log:q} 2>&1"
