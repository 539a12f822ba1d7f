"""A Slurm made up for a run of tests, and campaigns on it that leave nothing on its nodes.

`make test-cluster` runs this folder, each file with a Slurm of its own beside the others; the other tests leave it out,
since it needs root and Debian's Slurm.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from made_up_slurm import Cluster, cluster, lacks
from slurm_case import tiny
from tiny_campaign import REPOSITORY, Campaign


@pytest.fixture(scope="session")
def made_up(lacking: Callable[[str], None], request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """It leaves its logs, and those of its jobs, where a test has failed."""
    if (missing := lacks()) is not None:
        lacking(missing)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-runner-cluster-", dir="/var/tmp"))
    names = [REPOSITORY / name for name in (".venv", "target", "models")]
    links = [path.resolve() for path in names if path.is_symlink()]
    with cluster(folder / "slurm", [REPOSITORY, *links], {"n1": (), "n2": (), "g1": ("nvidia0",)}) as up:
        yield up
    if request.session.testsfailed == 0:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def prepared(made_up: Cluster) -> Callable[..., Campaign]:
    """A campaign whose engines have such options, with all that comes before its launches; made once."""
    made: dict[str, Campaign] = {}

    def prepare(**options: Any) -> Campaign:
        name = json.dumps(options)
        if name not in made:
            campaign = made[name] = tiny(made_up.folder.parent / f"prepared-{len(made)}")
            for engine in campaign.config["engines"]:
                engine["options"] |= options
            names = ("plan.json", "prompts.json", "environment.json")
            out = campaign.config["benchmark"]["output_dir"]
            result = campaign.snakemake(*(f"{out}/{name}" for name in names))
            assert result.status == 0, result.words
        return made[name]

    return prepare


@pytest.fixture
def campaign(made_up: Cluster, prepared: Callable[..., Campaign], request: pytest.FixtureRequest) -> Iterator[Campaign]:
    """Of its engines the test may ask for options; afterwards nothing of it is left on a node."""
    made = prepared(**getattr(request, "param", {})).copy_to(made_up.folder.parent / request.node.originalname)
    yield made
    assert made_up.processes() == {}
