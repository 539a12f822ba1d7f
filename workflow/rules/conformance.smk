"""Does an adapter keep the protocol? `snakemake conformance --config only_engines=X` puts it through every check.

REQUIRED INPUTS
    benchmark.model_path, the engine's build record, its derived weights
OUTPUTS
    <output_dir>/conformance/<engine>.json; a broken rule of the protocol fails the job, its table says which
"""


rule conformance:
    input:
        [
            f"{OUT}/conformance/{engine.name}.json"
            for engine in CAMPAIGN.engines.values()
            if not engine.control_of
        ],


rule check_conformance:
    input:
        model=f"{MODEL.path}/config.json",
        build=lambda wildcards: build_record_of(wildcards.engine),
        weights=lambda wildcards: CAMPAIGN.weights.manifest_of(wildcards.engine),
    output:
        f"{OUT}/conformance/{{engine}}.json",
    log:
        f"{OUT}/logs/stages/check_conformance/{{engine}}.log",
    threads: workflow.cores
    resources:
        gpu=GPUS,
    params:
        binary=lambda wildcards: CAMPAIGN.engines[wildcards.engine].binary_path,
        dtype=lambda wildcards: CAMPAIGN.engines[wildcards.engine].dtype,
        options=lambda wildcards: str(
            frozen_file(CAMPAIGN.engines[wildcards.engine].options)
        ),
        server=lambda wildcards: str(
            frozen_file(CAMPAIGN.engines[wildcards.engine].asked)
        ),
        source=lambda wildcards: CAMPAIGN.engines[wildcards.engine].source,
        folder=lambda wildcards: CAMPAIGN.weights.opened_by(wildcards.engine),
        device=CAMPAIGN.device_of_checks,
        work=subpath(output[0], strip_suffix=".json"),
    shell:
        "exec python -m benchmark_runner.conformance"
        " --engine {wildcards.engine:q}"
        " --binary {params.binary:q}"
        " --model-dir {params.folder:q}"
        " --dtype {params.dtype:q}"
        " --device {params.device:q}"
        " --options {params.options:q}"
        " --server {params.server:q}"
        " --work {params.work:q}"
        " --out {output:q}"
        " 2> {log:q}"
