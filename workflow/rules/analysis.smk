"""From records to verdicts: files rebuilt from what was measured, without an engine.

REQUIRED INPUTS
    <output_dir>/plan.json, <output_dir>/launches/**/record.json, <output_dir>/fidelity/<engine>.json,
    <output_dir>/environment.json, <output_dir>/calibration.json, <output_dir>/load_calibration.json, <output_dir>/model/manifest.json
OUTPUTS
    <output_dir>/raw_data/<engine>.json, <output_dir>/analysis/*, <output_dir>/until/<plan of looks>.<launches>.json,
    <output_dir>/summary.json, <output_dir>/comparison_table.md
"""

import json

PRICES = CAMPAIGN.config["business"]["prices"] or str(
    FROM_HERE / "config" / "prices.yaml"
)
FACTS = str(FROM_HERE / "config" / "engine_facts.yaml")


rule analysis:
    input:
        whole(*MEASURED, *ANALYSED),


rule collect_records:
    input:
        plan=part("analysis"),
        fidelity=fidelity_of,
        records=lambda wildcards: CAMPAIGN.records(wildcards.engine),
    output:
        kept_if_exported(f"{OUT}/raw_data/{{engine}}.json"),
    log:
        f"{OUT}/logs/stages/collect_records/{{engine}}.log",
    localrule: True
    params:
        # Not each record by name: a thousand paths are more than a command line holds.
        launches=f"{OUT}/launches/{{engine}}",
        records=lambda wildcards, input: len(input.records),
    shell:
        "python -m benchmark_runner.records.collect"
        " --plan {input.plan:q}"
        " --engine {wildcards.engine:q}"
        " --fidelity {input.fidelity:q}"
        " --launches {params.launches:q}"
        " --records {params.records:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule tabulate_iterations:
    input:
        raw=raw_data,
    output:
        kept_if_exported(f"{OUT}/analysis/iterations.parquet"),
    log:
        f"{OUT}/logs/stages/tabulate_iterations.log",
    localrule: True
    params:
        threshold=CAMPAIGN.config["analysis"]["outlier_threshold"],
    shell:
        "python -m benchmark_runner.records.tabulate"
        " --raw {input.raw:q}"
        " --outlier-threshold {params.threshold:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule tabulate_stages:
    input:
        raw=raw_data,
    output:
        kept_if_exported(f"{OUT}/analysis/stages.parquet"),
    log:
        f"{OUT}/logs/stages/tabulate_stages.log",
    localrule: True
    params:
        slo=json.dumps(CAMPAIGN.config["analysis"].get("slo")),
    shell:
        "python -m benchmark_runner.records.stages"
        " --raw {input.raw:q}"
        " --slo {params.slo:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule summarise_statistics:
    input:
        plan=part("analysis"),
        raw=raw_data,
        iterations=f"{OUT}/analysis/iterations.parquet",
        fidelity=fidelity_of_all,
        stages=STAGES,
        load_calibration=LOAD_CALIBRATION,
    output:
        in_report(
            f"{OUT}/analysis/statistical_summary.json",
            "statistical_summary",
            "Analysis",
        ),
    log:
        f"{OUT}/logs/stages/summarise_statistics.log",
    localrule: True
    params:
        looks=f"{OUT}/looks.json",  # grows with every look, so it is no input: it would be newer than its reader
    shell:
        "python -m benchmark_runner.statistics"
        " --plan {input.plan:q}"
        " --raw {input.raw:q}"
        " --iterations {input.iterations:q}"
        " --fidelity {input.fidelity:q}"
        " --stages {input.stages:q}"
        " --load-calibration {input.load_calibration:q}"
        " --looks {params.looks:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule decide:
    input:
        f"{OUT}/analysis/statistical_summary.json",
    output:
        f"{OUT}/until/{{look}}.json",
    log:
        f"{OUT}/logs/stages/decide/{{look}}.log",
    wildcard_constraints:
        look=r"[0-9a-f]{12}\.[0-9]+",
    localrule: True
    shell:
        "python -m benchmark_runner.statistics.decide"
        " --statistics {input:q}"
        " --out {output:q}"
        " 2>&1 | told {log:q}"


rule analyse_performance:
    input:
        plan=part("analysis"),
        iterations=f"{OUT}/analysis/iterations.parquet",
        statistics=f"{OUT}/analysis/statistical_summary.json",
        manifest=f"{OUT}/model/manifest.json",
        calibration=CALIBRATION,
    output:
        in_report(
            f"{OUT}/analysis/performance_analysis.json",
            "performance_analysis",
            "Analysis",
        ),
    log:
        f"{OUT}/logs/stages/analyse_performance.log",
    localrule: True
    shell:
        "python -m benchmark_runner.performance"
        " --plan {input.plan:q}"
        " --statistics {input.statistics:q}"
        " --iterations {input.iterations:q}"
        " --manifest {input.manifest:q}"
        " --calibration {input.calibration:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule advise_costs:
    input:
        plan=part("business"),
        statistics=f"{OUT}/analysis/statistical_summary.json",
        performance=f"{OUT}/analysis/performance_analysis.json",
        environment=f"{OUT}/environment.json",
        manifest=f"{OUT}/model/manifest.json",
        prices=PRICES,
        facts=FACTS,
    output:
        in_report(
            f"{OUT}/analysis/business_recommendations.json",
            "business_recommendations",
            "Analysis",
        ),
    log:
        f"{OUT}/logs/stages/advise_costs.log",
    localrule: True
    shell:
        "python -m benchmark_runner.business"
        " --plan {input.plan:q}"
        " --statistics {input.statistics:q}"
        " --performance {input.performance:q}"
        " --environment {input.environment:q}"
        " --manifest {input.manifest:q}"
        " --prices {input.prices:q}"
        " --facts {input.facts:q}"
        ' --now "$(date -u +%Y-%m-%dT%H:%M:%SZ)"'
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule conclude:
    input:
        plan=part("analysis"),
        statistics=f"{OUT}/analysis/statistical_summary.json",
        performance=f"{OUT}/analysis/performance_analysis.json",
    output:
        summary=in_report(f"{OUT}/summary.json", "summary", "Answer"),
        table=in_report(f"{OUT}/comparison_table.md", "comparison_table", "Answer"),
    log:
        f"{OUT}/logs/stages/conclude.log",
    localrule: True
    shell:
        "python -m benchmark_runner.summary"
        " --plan {input.plan:q}"
        " --statistics {input.statistics:q}"
        " --performance {input.performance:q}"
        " --out {output.summary:q}"
        " --table {output.table:q}"
        " 2>&1 | logged {log:q}"
