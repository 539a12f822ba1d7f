"""Engines: each adapter under engines/ becomes the file that binary_path names, or a record of why it could not.

REQUIRED INPUTS
    engines/<file name of binary_path>/
OUTPUTS
    <binary_path>.build.json, and beside it the binary
"""

import re

from benchmark_runner.campaign.planned import NOTHING


rule engines:
    input:
        lambda wildcards: renewed(build_records()),


rule build_engine:
    input:
        lambda wildcards: renewed_target(f"{wildcards.binary}.build.json"),
    output:
        "{binary}.build.json",
    log:
        "{binary}.build.log",
    wildcard_constraints:
        binary="|".join(re.escape(binary) for binary in CAMPAIGN.builds) or NOTHING,
    priority: ABOVE_LAUNCHES + 2
    localrule: True
    threads: workflow.cores
    params:
        adapter=lambda wildcards: CAMPAIGN.builds[wildcards.binary].adapter,
        device=lambda wildcards: CAMPAIGN.builds[wildcards.binary].build_device,
        owed=lambda wildcards: CAMPAIGN.build_fingerprint(wildcards.binary),
    shell:
        "exec python -m benchmark_runner.build"
        ' --adapter "$BENCHMARK_RUNNER_ROOT"/engines/{params.adapter:q}'
        " --binary {wildcards.binary:q}"
        " --record {output:q}"
        " --device {params.device:q}"
        " --log {log:q}"
