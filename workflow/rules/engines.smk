"""Engines: each adapter under engines/ becomes the file that binary_path names, or a record of why it could not.

REQUIRED INPUTS
    engines/<file name of binary_path>/
OUTPUTS
    <binary_path>.build.json, and beside it the binary
"""

import re


def renewed(records):
    """The build records, asked for by name: those of other source are made again, whether or not a launch is owed."""
    workflow.dag.forcefiles.update(set(records).intersection(CAMPAIGN.stale_builds()))
    return records


rule engines:
    input:
        lambda wildcards: renewed(build_records()),


def renewed_target(wildcards):
    renewed({f"{wildcards.binary}.build.json"} & workflow.dag.targetfiles)
    return []


rule build_engine:
    input:
        renewed_target,
    output:
        "{binary}.build.json",
    log:
        "{binary}.build.log",
    wildcard_constraints:
        binary="|".join(re.escape(binary) for binary in CAMPAIGN.builds) or NOTHING,
    priority: ABOVE_LAUNCHES + 2
    conda:
        "../../envs/workflow.yaml"
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
