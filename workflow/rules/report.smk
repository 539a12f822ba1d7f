"""The report that a person reads, the campaign's logs, and how to reproduce it.

REQUIRED INPUTS
    <output_dir>/{plan,summary,environment}.json, <output_dir>/analysis/*, <output_dir>/plots/*.png,
    <output_dir>/raw_data/<engine>.json, <output_dir>/launches/**/metrics.jsonl where there are any, workflow/report/
OUTPUTS
    <output_dir>/report.html, <output_dir>/reproduction.md, <output_dir>/campaign.yaml,
    <output_dir>/logs/{benchmark,system_metrics}.log, <output_dir>/analysis/metrics.parquet
"""

from benchmark_runner.campaign.joining import require_folders

TEMPLATES = sorted(
    str(path)
    for path in (FROM_HERE / "workflow" / "report").rglob("*")
    if path.is_file()
)
REPORT = [f"{OUT}/report.html", f"{OUT}/reproduction.md", f"{OUT}/campaign.yaml"]
LOGS = [
    f"{OUT}/logs/benchmark.log",
    f"{OUT}/logs/system_metrics.log",
    f"{OUT}/analysis/metrics.parquet",
]


rule report:
    input:
        whole(*MEASURED, *ANALYSED, *PLOTS, *REPORT),


rule join:
    input:
        (
            (lambda wildcards: or_refuse(require_folders, GIVEN))
            if GIVEN.folders is None
            else whole(*MEASURED, *ANALYSED, *PLOTS, *DRAWINGS, *REPORT, *LOGS)
        ),


rule write_report:
    input:
        plan=f"{OUT}/plan.json",
        summary=f"{OUT}/summary.json",
        statistics=f"{OUT}/analysis/statistical_summary.json",
        performance=f"{OUT}/analysis/performance_analysis.json",
        business=f"{OUT}/analysis/business_recommendations.json",
        iterations=f"{OUT}/analysis/iterations.parquet",
        samples=f"{OUT}/analysis/metrics.parquet",
        environment=f"{OUT}/environment.json",
        reproduction=f"{OUT}/reproduction.md",
        fidelity=fidelity_of_all,
        raw=raw_data,
        comprehensive=str(FROM_HERE / "config" / "comprehensive.yaml"),
        templates=TEMPLATES,
    output:
        in_report(f"{OUT}/report.html", "report", "Answer"),
    log:
        f"{OUT}/logs/stages/write_report.log",
    localrule: True
    shell:
        "python -m benchmark_runner.report"
        " --plan {input.plan:q}"
        " --summary {input.summary:q}"
        " --statistics {input.statistics:q}"
        " --performance {input.performance:q}"
        " --business {input.business:q}"
        " --iterations {input.iterations:q}"
        " --samples {input.samples:q}"
        " --environment {input.environment:q}"
        " --reproduction {input.reproduction:q}"
        " --fidelity {input.fidelity:q}"
        " --raw {input.raw:q}"
        " --comprehensive {input.comprehensive:q}"
        " --out {output:q}"
        " 2>&1 | logged {log:q}"


rule write_reproduction:
    input:
        plan=f"{OUT}/plan.json",
        environment=f"{OUT}/environment.json",
        statistics=f"{OUT}/analysis/statistical_summary.json",
    output:
        page=in_report(f"{OUT}/reproduction.md", "reproduction", "How it was measured"),
        configuration=f"{OUT}/campaign.yaml",
    log:
        f"{OUT}/logs/stages/write_reproduction.log",
    localrule: True
    shell:
        "python -m benchmark_runner.report.reproduction"
        " --plan {input.plan:q}"
        " --environment {input.environment:q}"
        " --statistics {input.statistics:q}"
        " --out {output.page:q}"
        " --configuration {output.configuration:q}"
        " 2>&1 | logged {log:q}"


rule write_logs:
    input:
        plan=part("analysis"),
        raw=raw_data,
        samples=lambda wildcards: CAMPAIGN.samples(),
    output:
        benchmark=f"{OUT}/logs/benchmark.log",
        metrics=f"{OUT}/logs/system_metrics.log",
        samples=f"{OUT}/analysis/metrics.parquet",
    log:
        f"{OUT}/logs/stages/write_logs.log",
    localrule: True
    shell:
        "python -m benchmark_runner.report.logs"
        " --plan {input.plan:q}"
        " --raw {input.raw:q}"
        " --benchmark-log {output.benchmark:q}"
        " --system-metrics-log {output.metrics:q}"
        " --samples {output.samples:q}"
        " 2>&1 | logged {log:q}"
