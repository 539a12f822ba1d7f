"""What the targets owe: all that a campaign measures and makes, so that one that is gone, empty or cut is made again.

REQUIRED INPUTS
    none
OUTPUTS
    MEASURED (what `launches` owes), ANALYSED (what an analysis owes beside it), and whole() by which targets name them
"""

import shlex
import subprocess

from snakemake.io import temp

from benchmark_runner.campaign.again import call_again
from benchmark_runner.load.calibrate import most_streams
from benchmark_runner.performance.calibrate import is_elsewhere
from benchmark_runner.records.whole import is_cut


def fidelity_of_all(wildcards=None):
    return [
        file for engine in CAMPAIGN.engines for file in fidelity_of({"engine": engine})
    ]


def fidelity_of(wildcards):
    """A recorded campaign that was stopped early may lack the check of an engine."""
    file = f"{OUT}/fidelity/{wildcards['engine']}.json"
    return [file] if not ANALYZE_ONLY or Path(file).is_file() else []


def raw_data(wildcards=None):
    return [f"{OUT}/raw_data/{engine}.json" for engine in CAMPAIGN.engines]


EXPORTED = CAMPAIGN.config["analysis"]["export_raw_data"]

# Requests in flight at most under load; 0 where nothing is.
STREAMS = most_streams(PLAN)
UNDER_LOAD = STREAMS > 0


def calibrated(name, is_owed):
    """The file of a calibration, in a list; a recorded campaign has it or not."""
    file = f"{OUT}/{name}"
    seconds = CAMPAIGN.config["system"]["calibration_seconds"]
    has = Path(file).is_file() if ANALYZE_ONLY else is_owed and seconds > 0
    return [file] if has else []


CALIBRATION = calibrated("calibration.json", True)
LOAD_CALIBRATION = calibrated("load_calibration.json", UNDER_LOAD)

RECORDS = {record for engine in CAMPAIGN.engines for record in CAMPAIGN.records(engine)}
MEASURED = [
    *PARTS,
    f"{OUT}/plan.json",
    f"{OUT}/model/manifest.json",
    f"{OUT}/environment.json",  # by it a later call knows another machine
    *(record for engine in CAMPAIGN.engines for record in CAMPAIGN.records(engine)),
]
# What happened under load is a table of its own.
STAGES = [f"{OUT}/analysis/stages.parquet"] if UNDER_LOAD else []
ANALYSED = [
    *CALIBRATION,
    *LOAD_CALIBRATION,
    *fidelity_of_all(),
    *([*raw_data(), f"{OUT}/analysis/iterations.parquet", *STAGES] if EXPORTED else []),
    f"{OUT}/analysis/statistical_summary.json",
    f"{OUT}/analysis/performance_analysis.json",
    f"{OUT}/analysis/business_recommendations.json",
    f"{OUT}/summary.json",
    f"{OUT}/comparison_table.md",
]


def in_report(path, caption, category):
    """The file, which `snakemake --report` shows with that caption in that category."""
    return report(
        path,
        caption=f"../captions/{caption}.rst",
        category=category,
        labels={"file": os.path.basename(path)},
    )


def whole(*files):
    """Input function of a target that owes the files: those that were cut are made again, as if they were missing."""

    # Until that is made, what a campaign owes that is until decided, or whose levels are searched, is not known:
    # onsuccess calls again.
    look = [CAMPAIGN.owed_look] if CAMPAIGN.owed_look else []
    grids = [*CAMPAIGN.owed_grids.values()]

    def owed(wildcards):
        # Snakemake asks only the targets of the command, and does so before it looks which jobs are forced.
        owed_records = {launch.record for launch in CAMPAIGN.owed_launches.values()}
        # Were looked at when it was seen what is owed; no target asks again, stages that read them do.
        standing = RECORDS - owed_records
        # Prompts only where a launch needs them.
        made = {*files, f"{OUT}/prompts.json"} - standing
        workflow.dag.forcefiles.update(CAMPAIGN.damaged)
        workflow.dag.forcefiles.update(file for file in made if is_cut(Path(file)))
        workflow.dag.forcefiles.update(look)
        # Else the machine here is not the one that is told about.
        if CAMPAIGN.owed_launches and not workflow.non_local_exec:
            moved = (
                file
                for file in (*CALIBRATION, *LOAD_CALIBRATION)
                if or_refuse(is_elsewhere, Path(file))
            )
            workflow.dag.forcefiles.update(moved)
        if grids:
            return grids
        if look:
            return [*look, f"{OUT}/environment.json"]
        return [file for file in files if file not in standing]

    return owed


def renewed(records):
    """The build records, asked for by name: those of other source are made again, whether or not a launch is owed."""
    workflow.dag.forcefiles.update(set(records).intersection(owed_builds()))
    return records


def renewed_target(record):
    """Makes a record that is a target of the command again where it is of other source; asks for nothing beside it."""
    renewed({record} & workflow.dag.targetfiles)
    return []


# Told by this process's own Python, also where jobs run in a container.
ANSWER = shlex.join(
    [sys.executable, "-m", "benchmark_runner.summary.answer", "--output-dir", OUT]
)


onsuccess:
    if or_refuse(CAMPAIGN.has_moved_on):
        call_again(workflow.workdir_init)
    else:
        try:
            shell(f"{ANSWER} {shlex.join(workflow.dag_settings.targets)}")
        except subprocess.CalledProcessError as error:  # its words are told
            sys.exit(error.returncode)


def kept_if_exported(path):
    """analysis.export_raw_data: false lets go of what the launches' records can make again."""
    return path if EXPORTED else temp(path)
