"""This campaign against one before it, in the results folder that --config against=FOLDER names, or two of its engines
against each other, which --config before=ENGINE after=ENGINE name.

REQUIRED INPUTS
    <against>/{plan,environment}.json, <against>/launches/**/record.json, <against>/fidelity/<engine>.json,
    <output_dir>/{plan,environment}.json, <output_dir>/raw_data/<engine>.json, <output_dir>/fidelity/<engine>.json,
    <output_dir>/analysis/iterations.parquet, <output_dir>/analysis/statistical_summary.json
OUTPUTS
    <output_dir>/comparison/<against>/comparison.json, <output_dir>/comparison/<against>/comparison.md; of two engines in
    <output_dir>/comparison/<after>-against-<before>
"""

import os

from snakemake.io import temp

from benchmark_runner.campaign.recorded import engines_to_compare, load_before
from benchmark_runner.comparison.terms import folder_name, terms, terms_file

TERMS = None

if GIVEN.engines != (None, None):
    BEFORE_ENGINE, AFTER_ENGINE = or_refuse(engines_to_compare, GIVEN.engines, CAMPAIGN)
    COMPARED = f"{OUT}/comparison/{AFTER_ENGINE}-against-{BEFORE_ENGINE}"
    TERMS = terms(CAMPAIGN.config, f"{BEFORE_ENGINE} in {OUT}", [])

    rule compare:
        input:
            whole(
                *MEASURED,
                *ANALYSED,
                f"{COMPARED}/comparison.json",
                f"{COMPARED}/comparison.md",
            ),

    rule compare_engines:
        input:
            terms=f"{COMPARED}/{terms_file(TERMS)}",
            plan=f"{OUT}/plan.json",
            environment=f"{OUT}/environment.json",
            raw=raw_data,
            iterations=f"{OUT}/analysis/iterations.parquet",
            statistics=f"{OUT}/analysis/statistical_summary.json",
            fidelity=fidelity_of_all,
        output:
            comparison=f"{COMPARED}/comparison.json",
            table=f"{COMPARED}/comparison.md",
        log:
            f"{OUT}/logs/stages/compare_engines/{AFTER_ENGINE}-against-{BEFORE_ENGINE}.log",
        localrule: True
        params:
            looks=f"{COMPARED}/looks.json",
            before=BEFORE_ENGINE,
            after=AFTER_ENGINE,
        shell:
            "python -m benchmark_runner.comparison.engines"
            " --plan {input.plan:q}"
            " --environment {input.environment:q}"
            " --raw {input.raw:q}"
            " --iterations {input.iterations:q}"
            " --statistics {input.statistics:q}"
            " --fidelity {input.fidelity:q}"
            " --before {params.before:q}"
            " --after {params.after:q}"
            " --terms {input.terms:q}"
            " --looks {params.looks:q}"
            " --out {output.comparison:q}"
            " --table {output.table:q}"
            " 2>&1 | told {log:q}"

elif GIVEN.against is None:

    rule compare:
        input:
            lambda wildcards: or_refuse(load_before, None, OUT),

else:
    BEFORE = or_refuse(load_before, GIVEN.against, OUT)
    EARLIER = BEFORE.output_dir
    COMPARED = f"{OUT}/comparison/{folder_name(EARLIER)}"
    TERMS = terms(
        CAMPAIGN.config,
        EARLIER,
        [record for engine in BEFORE.engines for record in BEFORE.records(engine)],
    )
    BEFORE_RAW = [
        f"{COMPARED}/before/raw_data/{engine}.json" for engine in BEFORE.engines
    ]

    FIDELITY_BEFORE = [
        file for engine in BEFORE.engines for file in BEFORE.fidelity(engine)
    ]

    rule compare:
        input:
            whole(
                *MEASURED,
                *ANALYSED,
                f"{COMPARED}/comparison.json",
                f"{COMPARED}/comparison.md",
            ),

    rule collect_before:
        input:
            plan=f"{EARLIER}/plan.json",
            fidelity=lambda wildcards: BEFORE.fidelity(wildcards.before),
            records=lambda wildcards: BEFORE.records(wildcards.before),
        output:
            temp(f"{COMPARED}/before/raw_data/{{before}}.json"),
        log:
            f"{OUT}/logs/stages/collect_before/{folder_name(EARLIER)}/{{before}}.log",
        wildcard_constraints:
            before="|".join(BEFORE.engines),
        localrule: True
        params:
            # Not each record by name: a thousand paths are more than a command line holds.
            launches=f"{EARLIER}/launches/{{before}}",
            records=lambda wildcards, input: len(input.records),
        shell:
            "python -m benchmark_runner.records.collect"
            " --plan {input.plan:q}"
            " --engine {wildcards.before:q}"
            " --fidelity {input.fidelity:q}"
            " --launches {params.launches:q}"
            " --records {params.records:q}"
            " --out {output:q}"
            " 2>&1 | logged {log:q}"

    rule tabulate_before:
        input:
            raw=BEFORE_RAW,
        output:
            temp(f"{COMPARED}/before/iterations.parquet"),
        log:
            f"{OUT}/logs/stages/tabulate_before/{folder_name(EARLIER)}.log",
        localrule: True
        params:
            threshold=CAMPAIGN.config["analysis"]["outlier_threshold"],
        shell:
            "python -m benchmark_runner.records.tabulate"
            " --raw {input.raw:q}"
            " --outlier-threshold {params.threshold:q}"
            " --out {output:q}"
            " 2>&1 | logged {log:q}"

    rule summarise_before:
        input:
            plan=f"{EARLIER}/plan.json",
            raw=BEFORE_RAW,
            iterations=f"{COMPARED}/before/iterations.parquet",
            fidelity=FIDELITY_BEFORE,
        output:
            temp(f"{COMPARED}/before/statistical_summary.json"),
        log:
            f"{OUT}/logs/stages/summarise_before/{folder_name(EARLIER)}.log",
        localrule: True
        params:
            looks=f"{COMPARED}/before/looks.json",  # as in summarise_statistics; nothing is written into <against>
        shell:
            "python -m benchmark_runner.statistics"
            " --plan {input.plan:q}"
            " --raw {input.raw:q}"
            " --iterations {input.iterations:q}"
            " --fidelity {input.fidelity:q}"
            " --looks {params.looks:q}"
            " --out {output:q}"
            " 2>&1 | logged {log:q}"

    rule compare_campaigns:
        input:
            terms=f"{COMPARED}/{terms_file(TERMS)}",
            before_plan=f"{EARLIER}/plan.json",
            before_environment=f"{EARLIER}/environment.json",
            before_raw=BEFORE_RAW,
            before_iterations=f"{COMPARED}/before/iterations.parquet",
            before_statistics=f"{COMPARED}/before/statistical_summary.json",
            before_fidelity=FIDELITY_BEFORE,
            after_plan=f"{OUT}/plan.json",
            after_environment=f"{OUT}/environment.json",
            after_raw=raw_data,
            after_iterations=f"{OUT}/analysis/iterations.parquet",
            after_statistics=f"{OUT}/analysis/statistical_summary.json",
            after_fidelity=fidelity_of_all,
        output:
            comparison=f"{COMPARED}/comparison.json",
            table=f"{COMPARED}/comparison.md",
        log:
            f"{OUT}/logs/stages/compare_campaigns/{folder_name(EARLIER)}.log",
        localrule: True
        params:
            looks=f"{COMPARED}/looks.json",
        shell:
            "python -m benchmark_runner.comparison"
            " --before-plan {input.before_plan:q}"
            " --before-environment {input.before_environment:q}"
            " --before-raw {input.before_raw:q}"
            " --before-iterations {input.before_iterations:q}"
            " --before-statistics {input.before_statistics:q}"
            " --before-fidelity {input.before_fidelity:q}"
            " --after-plan {input.after_plan:q}"
            " --after-environment {input.after_environment:q}"
            " --after-raw {input.after_raw:q}"
            " --after-iterations {input.after_iterations:q}"
            " --after-statistics {input.after_statistics:q}"
            " --after-fidelity {input.after_fidelity:q}"
            " --terms {input.terms:q}"
            " --looks {params.looks:q}"
            " --out {output.comparison:q}"
            " --table {output.table:q}"
            " 2>&1 | told {log:q}"


if TERMS is not None:
    FREEZES.append(TERMS)

    rule write_terms:
        output:
            f"{COMPARED}/{terms_file(TERMS)}",
        log:
            f"{OUT}/logs/stages/write_terms/{os.path.basename(COMPARED)}.log",
        localrule: True
        params:
            # The name holds the hash of the content, as in write_part.
            content=lambda wildcards, output: str(frozen_file(TERMS)),
        shell:
            "python -m benchmark_runner.comparison.terms"
            " --content {params.content:q}"
            " --out {output:q}"
            " 2>&1 | logged {log:q}"
