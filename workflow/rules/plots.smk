"""The plots, from the analysis alone.

REQUIRED INPUTS
    <output_dir>/analysis/{statistical_summary,performance_analysis}.json, <output_dir>/analysis/iterations.parquet,
    <output_dir>/raw_data/<engine>.json
OUTPUTS
    <output_dir>/plots/{latency_comparison,throughput_scaling,memory_usage,gpu_utilization}.{png,svg},
    <output_dir>/plots/load_curves.{png,svg} where a workload has load
"""

PLOT_NAMES = (
    "latency_comparison",
    "throughput_scaling",
    "memory_usage",
    "gpu_utilization",
)
PLOTS = [
    f"{OUT}/plots/{name}.png"
    for name in PLOT_NAMES
    if CAMPAIGN.config["analysis"]["generate_plots"]
]
if UNDER_LOAD and PLOTS:
    PLOTS.append(f"{OUT}/plots/load_curves.png")
DRAWINGS = [plot.removesuffix("png") + "svg" for plot in PLOTS]


rule plots:
    input:
        whole(*MEASURED, *ANALYSED, *PLOTS, *DRAWINGS),


rule plot_latency:
    input:
        statistics=f"{OUT}/analysis/statistical_summary.json",
        performance=f"{OUT}/analysis/performance_analysis.json",
        iterations=f"{OUT}/analysis/iterations.parquet",
    output:
        png=in_report(
            f"{OUT}/plots/latency_comparison.png", "latency_comparison", "Plots"
        ),
        svg=f"{OUT}/plots/latency_comparison.svg",
    log:
        f"{OUT}/logs/stages/plot_latency.log",
    localrule: True
    shell:
        "python -m benchmark_runner.plots.latency"
        " --statistics {input.statistics:q}"
        " --performance {input.performance:q}"
        " --iterations {input.iterations:q}"
        " --out {output.png:q}"
        " --svg {output.svg:q}"
        " 2>&1 | logged {log:q}"


rule plot_throughput:
    input:
        statistics=f"{OUT}/analysis/statistical_summary.json",
        performance=f"{OUT}/analysis/performance_analysis.json",
        iterations=f"{OUT}/analysis/iterations.parquet",
    output:
        png=in_report(
            f"{OUT}/plots/throughput_scaling.png", "throughput_scaling", "Plots"
        ),
        svg=f"{OUT}/plots/throughput_scaling.svg",
    log:
        f"{OUT}/logs/stages/plot_throughput.log",
    localrule: True
    shell:
        "python -m benchmark_runner.plots.throughput"
        " --statistics {input.statistics:q}"
        " --performance {input.performance:q}"
        " --iterations {input.iterations:q}"
        " --out {output.png:q}"
        " --svg {output.svg:q}"
        " 2>&1 | logged {log:q}"


rule plot_memory:
    input:
        statistics=f"{OUT}/analysis/statistical_summary.json",
        performance=f"{OUT}/analysis/performance_analysis.json",
    output:
        png=in_report(f"{OUT}/plots/memory_usage.png", "memory_usage", "Plots"),
        svg=f"{OUT}/plots/memory_usage.svg",
    log:
        f"{OUT}/logs/stages/plot_memory.log",
    localrule: True
    shell:
        "python -m benchmark_runner.plots.memory"
        " --statistics {input.statistics:q}"
        " --performance {input.performance:q}"
        " --out {output.png:q}"
        " --svg {output.svg:q}"
        " 2>&1 | logged {log:q}"


rule plot_gpu:
    input:
        statistics=f"{OUT}/analysis/statistical_summary.json",
        raw=raw_data,
    output:
        png=in_report(f"{OUT}/plots/gpu_utilization.png", "gpu_utilization", "Plots"),
        svg=f"{OUT}/plots/gpu_utilization.svg",
    log:
        f"{OUT}/logs/stages/plot_gpu.log",
    localrule: True
    shell:
        "python -m benchmark_runner.plots.gpu"
        " --statistics {input.statistics:q}"
        " --raw {input.raw:q}"
        " --out {output.png:q}"
        " --svg {output.svg:q}"
        " 2>&1 | logged {log:q}"


rule plot_load:
    input:
        statistics=f"{OUT}/analysis/statistical_summary.json",
    output:
        png=in_report(f"{OUT}/plots/load_curves.png", "load_curves", "Plots"),
        svg=f"{OUT}/plots/load_curves.svg",
    log:
        f"{OUT}/logs/stages/plot_load.log",
    localrule: True
    shell:
        "python -m benchmark_runner.plots.load"
        " --statistics {input.statistics:q}"
        " --out {output.png:q}"
        " --svg {output.svg:q}"
        " 2>&1 | logged {log:q}"
