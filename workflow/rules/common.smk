"""What all stages share: the campaign, made from the configuration before any rule is read, and where files lie.

REQUIRED INPUTS
    the configuration: --configfile FILE, or config/config.yaml of this workflow
OUTPUTS
    CAMPAIGN (engines, workloads, launches in order), OUT (its folder), and `owed`, the params that decide what reruns
"""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import ancient, temp

ROOT = Path(str(workflow.current_basedir)).resolve().parents[1]
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from benchmark_runner.campaign.campaign import load_campaign
from benchmark_runner.errors import BenchmarkError

# --configfile replaces the quick look instead of being merged into it.
if not workflow.config_settings.configfiles:

    configfile: str(ROOT / "config" / "config.yaml")


try:
    CAMPAIGN = load_campaign(config, workflow.configfiles, ROOT / "engines")
except BenchmarkError as error:
    raise WorkflowError(str(error)) from None

OUT = CAMPAIGN.output_dir
MODEL = CAMPAIGN.model
LAUNCH = f"{OUT}/launches/{{engine}}/{{workload}}.{{identity}}/{{block}}"

# Jobs run the Python that runs Snakemake, and find the library without an install step.
shell.prefix(
    f'export PATH="{Path(sys.executable).parent}:$PATH" PYTHONPATH="{SCRIPTS}" BENCHMARK_RUNNER_ROOT="{ROOT}"; '
)

# Without a limit on gpu, launches would overlap; the default profile sets it, this guards those who bypass it.
if "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", 1)

ANSWER = f"python -m benchmark_runner.answer --output-dir {OUT!r}"


wildcard_constraints:
    engine="|".join(CAMPAIGN.engines),
    workload="|".join(CAMPAIGN.workloads),
    identity="[0-9a-f]{12}",
    block="[0-9]+",


def launch_folder(wildcards):
    return LAUNCH.format(**wildcards)


def build_records(wildcards=None):
    """Build records of all engines: no launch starts before every engine is there, or blocks would fall apart."""
    return [ancient(engine.build_record) for engine in CAMPAIGN.builds.values()]


def raw_data(wildcards=None):
    return [f"{OUT}/raw_data/{engine}.json" for engine in CAMPAIGN.engines]


def fidelity_of_all(wildcards=None):
    return [f"{OUT}/fidelity/{engine}.json" for engine in CAMPAIGN.engines]


def kept_if_exported(path):
    """analysis.export_raw_data: false lets go of what the launches' records can make again."""
    return path if CAMPAIGN.config["analysis"]["export_raw_data"] else temp(path)
