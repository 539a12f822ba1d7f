"""What all stages share: the campaign, made from the configuration before any rule is read, and where files lie.

REQUIRED INPUTS
    the configuration: --configfile FILE, or config/config.yaml of this workflow
OUTPUTS
    CAMPAIGN (engines, workloads, launches in order), OUT (its folder) and the functions that name files
"""

import os
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

ROOT = Path(str(workflow.current_basedir)).resolve().parents[1]
# Inputs of the project are named so that nothing is owed when the working folder moves, with the project or without.
FROM_HERE = Path(os.path.relpath(ROOT)) if Path.cwd().is_relative_to(ROOT) else ROOT
SCRIPTS = ROOT / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from benchmark_runner.campaign.cluster import require_free, require_this_machine
from benchmark_runner.campaign.engines import is_stale
from benchmark_runner.campaign.examinable import load_examinable
from benchmark_runner.campaign.from_plan import load_of_job, planned_for
from benchmark_runner.campaign.frozen import freeze, frozen_file
from benchmark_runner.campaign.joining import load_results
from benchmark_runner.campaign.parts import part_file, part_files
from benchmark_runner.campaign.paths import require_usable_root
from benchmark_runner.configuration.files import read_document
from benchmark_runner.configuration.shortcuts import as_given
from benchmark_runner.errors import BenchmarkError
from benchmark_runner.locks import HeldFolder
from benchmark_runner.processes.files import require_notes
from benchmark_runner.terminal import visible, say


def or_refuse(function, *arguments):
    """What function returns; its error ends Snakemake with that message alone, without a place in this file."""
    try:
        return function(*arguments)
    except BenchmarkError as error:
        sys.exit(f"error: {visible(error)}")


def given():
    return or_refuse(as_given, config, workflow.config_settings.config_args)


or_refuse(require_usable_root, ROOT)
if workflow.is_main_process:
    or_refuse(require_notes, Path(".snakemake"))  # it would end in a traceback
QUICK_LOOK = ROOT / "config" / "config.yaml"
ANALYZE_ONLY = given().analyze_only

# --configfile replaces the quick look instead of being merged into it.
if not ANALYZE_ONLY and not workflow.config_settings.configfiles:
    or_refuse(read_document, QUICK_LOOK)

    configfile: str(QUICK_LOOK)


# Only now: configfile merges the command line once more.
GIVEN = given()
if ANALYZE_ONLY:
    CAMPAIGN, CONFIGURATION_PROBLEMS = or_refuse(load_results, GIVEN, ROOT), []
    FROZEN = CAMPAIGN.told
elif not workflow.is_main_process:
    CAMPAIGN, CONFIGURATION_PROBLEMS = or_refuse(load_of_job, GIVEN.config), []
    FROZEN = {"config": CAMPAIGN.config, "problems": []}
else:
    CAMPAIGN, EXAMINED, CONFIGURATION_PROBLEMS = or_refuse(
        load_examinable,
        QUICK_LOOK,
        GIVEN.config,
        workflow.configfiles,
        ROOT / "engines",
        workflow.config_settings.config,
        not workflow.non_local_exec,
    )
    FROZEN = {"config": EXAMINED, "problems": CONFIGURATION_PROBLEMS}

PLAN = CAMPAIGN.plan()
OUT = CAMPAIGN.output_dir
PARTS = [f"{OUT}/plan/{file}" for file in part_files(PLAN, ANALYZE_ONLY)]
MODEL = CAMPAIGN.model


include: "deployment.smk"


# Priority of what should run before the first launch.
ABOVE_LAUNCHES = len(CAMPAIGN.launches) + 2
HELD, FREEZES = [], [FROZEN]
# By name, not by content: jobs of a batch system plan anew, when less is owed.
OWED = Path(OUT) / ".benchmark_runner" / "owed.json"


onstart:
    try:
        # Before a lock is held: of two allocations the one that is refused would keep the other away.
        require_free(CAMPAIGN, workflow.non_local_exec)
        for folder in (Path(".benchmark_runner"), Path(OUT) / ".benchmark_runner"):
            HELD.append(HeldFolder(folder / "lock"))
        if measures_here():
            require_this_machine(CAMPAIGN, CONTAINER)
        CAMPAIGN.require_owed()
        for content in *FREEZES, *CAMPAIGN.options():
            freeze(content)
        freeze(CAMPAIGN.owed(), OWED)
        if workflow.non_local_exec:
            freeze(PLAN, planned_for(GIVEN.config))
    except BenchmarkError as error:
        raise WorkflowError(str(error)) from None
    schedule_as_wanted(workflow.scheduler)
    for line in [
        *CAMPAIGN.set_aside(),
        *CAMPAIGN.notices(here=not workflow.non_local_exec),
    ]:
        say(line)


wildcard_constraints:
    engine="|".join(CAMPAIGN.engines),


@cache
def part(name):
    """File with the part of the plan that a stage depends on; another content is another file."""
    return f"{OUT}/plan/{part_file(PLAN, name)}"


@cache
def owed_builds():
    """Build records that are made again: looked for once, since each of ten thousand launches asks."""
    engines = CAMPAIGN.builds.values()
    return [engine.build_record for engine in engines if is_stale(engine, CONTAINER)]


def build_records(wildcards=None):
    """Build records of all engines: no launch starts before every engine is there, or blocks would fall apart."""
    if CAMPAIGN.owed_launches:
        workflow.dag.forcefiles.update(owed_builds())
    return [engine.build_record for engine in CAMPAIGN.builds.values()]


def build_record_of(engine):
    record = CAMPAIGN.engines[engine].build_record
    return [record] if record else []
