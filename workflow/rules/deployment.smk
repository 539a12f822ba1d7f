"""How jobs get their software: the environment that runs Snakemake, or a container with the same locks.

REQUIRED INPUTS
    under --software-deployment-method apptainer: target/benchmark-runner.sif, made from envs/Containerfile
OUTPUTS
    what stands before each job's shell command, and CONTAINER, in which launches run (none where they run outside)
"""

from benchmark_runner.campaign.deployment import (
    APPTAINER,
    IMAGE_BIN,
    container_arguments,
    require_deployment,
)

IMAGE = FROM_HERE / "target" / "benchmark-runner.sif"
METHODS = {
    method.name.lower() for method in workflow.deployment_settings.deployment_method
}
SHARES_FILES = any(
    usage.name == "INPUT_OUTPUT" for usage in workflow.storage_settings.shared_fs_usage
)
or_refuse(require_deployment, METHODS, IMAGE, SHARES_FILES)
CONTAINER = APPTAINER if METHODS else None


# Heeded under --software-deployment-method apptainer alone.
container: str(IMAGE)


if CONTAINER:
    workflow.deployment_settings.apptainer_args += container_arguments(
        ROOT, CAMPAIGN.config["system"]["device"]
    )

# Jobs run the Python that runs Snakemake, or the container's, and find the library without an install step.
JOB_ENVIRONMENT = {
    "PYTHONPATH": SCRIPTS,
    "BENCHMARK_RUNNER_ROOT": ROOT,
    "BENCHMARK_RUNNER_BIN": IMAGE_BIN if CONTAINER else Path(sys.executable).parent,
}
EXPORTS = " ".join(f"{k}={shlex.quote(str(v))}" for k, v in JOB_ENVIRONMENT.items())
# strict as Snakemake's own prefix, which this one replaces: a stage whose words go through tee must fail.
PREFIX = f'set -euo pipefail; export {EXPORTS}; PATH="$BENCHMARK_RUNNER_BIN:$PATH"; '
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))
