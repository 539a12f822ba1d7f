"""How jobs are chosen, and where their software is: the environment that runs Snakemake, or a container of the same locks.

REQUIRED INPUTS
    under --software-deployment-method apptainer: target/benchmark-runner.sif, made from envs/Containerfile
OUTPUTS
    what stands before each job's shell command; CONTAINER, in which launches run (None where they run outside);
    measures_here() and schedule_as_wanted(); times of files that a clock set back cannot spoil
"""

import gc
import re
import shlex
import signal
from _thread import start_new_thread
from functools import cache, lru_cache
from heapq import nlargest
from operator import attrgetter

import snakemake.common
import snakemake.rules
from snakemake.dag import DAG
from snakemake.jobs import Job
from snakemake.logging import logger
from snakemake.persistence import PersistenceBase

from benchmark_runner.campaign.deployment import (
    APPTAINER,
    IMAGE_BIN,
    container_arguments,
    require_deployment,
)
from benchmark_runner.processes.files import require_room

IMAGE = FROM_HERE / "target" / "benchmark-runner.sif"
METHODS = {
    method.name.lower() for method in workflow.deployment_settings.deployment_method
}
SHARES_FILES = any(
    usage.name == "INPUT_OUTPUT" for usage in workflow.storage_settings.shared_fs_usage
)
or_refuse(require_deployment, METHODS, IMAGE, SHARES_FILES)
CONTAINER = APPTAINER if METHODS else None


if CONTAINER or workflow.dag_settings is None:

    # Without the option Snakemake would say of each call that it ignores a container; --lint, without a graph, asks for it.
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
# What a stage says is shown and logged; a terminal or pipe that takes nothing must not fail it.
TOLD = 'told() { tee --output-error=warn "$1" 2> /dev/null || true; }'
# What others say is logged, and why one failed is shown too: Snakemake names the log alone, in a block of twenty lines.
LOGGED = 'logged() { told "$1" | grep -a --line-buffered "^error: " >&2 || true; }'
# strict as Snakemake's own prefix, which this one replaces: a stage that fails must fail although its words go on.
PREFIX = f'set -euo pipefail; {TOLD}; {LOGGED}; export {EXPORTS}; PATH="$BENCHMARK_RUNNER_BIN:$PATH"; '
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))

# Without a limit on gpu, launches would overlap; the default profile sets it, this guards those who bypass it.
if "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", 1)


# Two lines of the scheduler would repeat for each launch.
SCHEDULER_LINES = re.compile(r"Select jobs to execute\.\.\.|Execute \d+ jobs\.\.\.")
logger.addFilter(lambda told: not SCHEDULER_LINES.fullmatch(str(told.msg)))


def measures_here():
    """Whether jobs of this call measure on this machine: those of rules that say no `localrule: True`."""
    rules = {job.rule for job in workflow.dag.needrun_jobs()}
    ask_for_the_machine = any(
        not rule.norun and rule.name not in workflow._localrules for rule in rules
    )
    return ask_for_the_machine and not workflow.non_local_exec


def of_the_next(select):
    """Snakemake's choice of jobs, on this machine made among those of highest priority: it weighs all that are open,
    which may be ten thousand launches, anew for each that has ended, and the next one waits for that.
    """
    if workflow.non_local_exec:
        return select
    # More than can run at once.
    most = 100 + workflow.cores
    return lambda jobs: select(nlargest(most, jobs, key=attrgetter("priority")))


def while_held(select):
    """Snakemake's choice of jobs, for as long as it alone works in the folders that it holds and their disk has room."""

    def chosen(jobs):
        try:
            for folder in HELD:
                folder.require_in_place()
            # Jobs elsewhere go on, and each says for itself.
            if not workflow.non_local_exec:
                require_room(Path(OUT))
        except BenchmarkError as error:
            raise WorkflowError(str(error)) from None
        return select(jobs)

    return chosen


async def as_new_as_inputs(dag, job, outputs):
    """In place of a check by which Snakemake removes what a job made, and so what was measured, where the clock was set
    back since its inputs were made: what comes from them is no older than they are.
    """
    made = [os.stat(file).st_mtime_ns for file in job.input if os.path.exists(file)]
    newest = max(made, default=0)
    for file in outputs:
        if os.path.exists(file) and os.stat(file).st_mtime_ns < newest:
            os.utime(file, ns=(newest, newest))


DAG.check_output_mtime = as_new_as_inputs

# Else Snakemake looks at the signatures of each rule's functions anew for each job.
of_signature = cache(snakemake.common.get_function_params)
for part_of_it in (snakemake.common, snakemake.rules):
    part_of_it.get_function_params = of_signature

# Else Python looks through a graph of ten thousand jobs again and again for cycles to free: a tenth of a dry run.
gc.freeze()
gc.set_threshold(100_000, 20, 20)

# No output here is a folder that another could lie in.
DAG.check_directory_outputs = lambda dag: None

# A job that is only told of is asked three times in a row for its command, which is made anew each time.
command_of = Job.shellcmd.fget
command_once = lru_cache(maxsize=1)(command_of)
Job.shellcmd = property(
    lambda job: (command_once if workflow.dryrun else command_of)(job)
)

# No parameter here is a table. To ask whether one is, Snakemake would import pandas in each call.
PersistenceBase._serialize_param_pandas = PersistenceBase._serialize_param_builtin


def with_hooks(plan_jobs):
    """Snakemake's planning of jobs, refused under --no-hooks, which is known only then: `onstart` holds the locks and
    writes what jobs read.
    """

    async def planned(dag):
        settings = workflow.execution_settings
        if workflow.is_main_process and settings and settings.no_hooks:
            sys.exit(
                "error: --no-hooks leaves out the locks, without which two campaigns measure at once, and files that jobs "
                "read; leave it out"
            )
        await plan_jobs(dag)

    return planned


DAG.init = with_hooks(DAG.init)


def schedule_as_wanted(scheduler):
    """Choices of jobs that cost an engine nothing, and an answer to SIGTERM and SIGHUP that comes."""
    # Else Snakemake 9.27 looks at all open jobs once a second for each that has ended, beside the engine measured.
    scheduler.job_rate_limiter = None
    scheduler.job_selector = while_held(of_the_next(scheduler.job_selector))
    # In a thread: its answer takes a lock that the interrupted one holds where a job has just ended, and then waits for ever.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ending) != signal.SIG_IGN:  # as SIGHUP is under nohup
            signal.signal(
                ending,
                lambda *told: start_new_thread(scheduler.exit_gracefully, ()),
            )
