"""Which launches there will be, in which order, and what they can find out.

REQUIRED INPUTS
    none but the configuration
OUTPUTS
    <output_dir>/plan.json
"""

import json


rule plan:
    output:
        f"{OUT}/plan.json",
    log:
        f"{OUT}/logs/stages/plan.log",
    conda:
        "../../envs/workflow.yaml"
    params:
        config=json.dumps(CAMPAIGN.config, sort_keys=True, ensure_ascii=False),
        owed=CAMPAIGN.fingerprint("order", "engines", "workloads", "model", "fidelity"),
    shell:
        "python -m benchmark_runner.plan"
        " --config {params.config:q}"
        ' --engines-folder "$BENCHMARK_RUNNER_ROOT"/engines'
        " --out {output:q}"
        " 2>&1 | tee {log:q}"
