"""Benchmark Runner: measures LLM inference engines against each other and says how sure the answer is.

The stages in the order in which data flows; workflow/rules has one file a stage, docs/method.md tells what they do.
"""

from snakemake.utils import min_version

min_version("9.27")


report: "workflow/captions/campaign.rst"


# --- the configuration, checked, and the campaign it describes ---
include: "workflow/rules/common.smk"
include: "workflow/rules/owed.smk"


if CONFIGURATION_PROBLEMS:

    include: "workflow/rules/doctor.smk"
    include: "workflow/rules/refused.smk"

elif ANALYZE_ONLY and CAMPAIGN.joins:

    include: "workflow/rules/join.smk"

else:
    if ANALYZE_ONLY:

        include: "workflow/rules/recorded.smk"

    else:

        # --- what is measured, by what, on what, where; then measuring ---
        include: "workflow/rules/plan.smk"
        include: "workflow/rules/doctor.smk"
        include: "workflow/rules/engines.smk"
        include: "workflow/rules/models.smk"
        include: "workflow/rules/nodes.smk"
        include: "workflow/rules/environment.smk"
        include: "workflow/rules/conformance.smk"
        include: "workflow/rules/fidelity.smk"
        include: "workflow/rules/launches.smk"
    # --- judging and telling, from files alone ---
    include: "workflow/rules/analysis.smk"
    include: "workflow/rules/plots.smk"
    include: "workflow/rules/report.smk"
    include: "workflow/rules/compare.smk"

    WANTED = whole(*MEASURED, *ANALYSED, *PLOTS, *DRAWINGS, *REPORT, *LOGS)


rule all:
    default_target: True
    input:
        WANTED,
