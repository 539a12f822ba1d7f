"""What this machine lets us measure: runs each time it is asked for, since machines change without a file to show it.

REQUIRED INPUTS
    none but the configuration
OUTPUTS
    <output_dir>/doctor.json, and a table on the terminal
"""


rule doctor:
    log:
        f"{OUT}/logs/stages/doctor.log",
    localrule: True
    params:
        config=str(frozen_file(FROZEN)),
        # No output: a rule without one is never up to date.
        file=f"{OUT}/doctor.json",
    shell:
        "python -m benchmark_runner.doctor"
        " --config {params.config:q}"
        ' --engines-folder "$BENCHMARK_RUNNER_ROOT"/engines'
        " --out {params.file:q}"
        " 2>&1 | told {log:q}"
