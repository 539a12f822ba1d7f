"""Where launches run: on this machine, or on nodes that a batch system chooses, each block on one.

REQUIRED INPUTS
    none
OUTPUTS
    elsewhere(), GPUS, LAUNCHES, MEMORY_MB, and where a launch belongs: block_group() and node_of()
"""

from functools import cache

from benchmark_runner.campaign.cluster import launch_memory_mb


def elsewhere():
    """Whether launches run on other machines than the one that plans them."""
    return workflow.non_local_exec or not workflow.is_main_process


# What a batch system is asked for; on this machine launches have all cores, so that none runs beside another.
GPUS = 0 if CAMPAIGN.config["system"]["device"] == "cpu" else 1

# A job on a node of a cluster reads this anew, when others have ended: to it every launch of the plan is one.
LAUNCHES = (
    or_refuse(getattr, CAMPAIGN, "owed_launches")
    if workflow.is_main_process
    else CAMPAIGN.planned
)


def block_group(block):
    """Group of a block's launches, which a batch system runs on one node; none on this machine."""
    if not elsewhere():
        return None
    name = f"block_{block}"
    # Else each block would need an entry in the profile's group-components.
    workflow.parent_groupids[name] = "block"
    return name


def node_of(wildcards):
    """Where a block is measured; on this machine environment.json tells that."""
    if not elsewhere():
        return []
    file = f"{OUT}/nodes/{LAUNCHES[wildcards.launch].block}.json"
    workflow.dag.forcefiles.add(file)
    return [file]


def has_model():
    """Whether the size of the model's weights is known, of which a launch's memory is made."""
    return Path(MODEL.path, "config.json").is_file()


@cache
def memory_mb(model_is_there):
    """What a launch may take: looked at once, since each of ten thousand launches asks."""
    return launch_memory_mb(CAMPAIGN.config["system"], Path(MODEL.path))


# A number costs Snakemake less than a function.
MEMORY_MB = memory_mb(True) if has_model() else lambda _: memory_mb(has_model())
