"""Stage join: makes the results folder of a joined campaign from those that it was measured in, which stay as they are.

Records, samples and logs of launches are hard links, or copies where the file system has none. joined.json is written
first, so that a folder that was left half made is known for one; plan.json last.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmark_runner.campaign.joining import is_as, is_taken_over
from benchmark_runner.campaign.paths import JOINED
from benchmark_runner.campaign.recorded import LOOKS
from benchmark_runner.commands import command
from benchmark_runner.errors import BenchmarkError, exit_status
from benchmark_runner.jsonio import read_json, write_json, written_whole

SCHEMA_VERSION: Final = 1


def take_over(source: Path, target: Path) -> None:
    """Give a file of a folder a second name in the joined one, or copy it; what is no file there is left out.

    Raises BenchmarkError where the target is there with another content, or the copy is not as its source.
    """
    if not is_taken_over(source):
        return
    if not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError:  # another file system, or one without links
            with written_whole(target) as partial:
                shutil.copyfile(source, partial)
    if not is_as(source, target):
        raise BenchmarkError(f"{target} is not what {source} holds now; choose another output_dir")


def renew(source: Path, target: Path) -> None:
    """Give the joined folder a document of another as that is now, or none where that has none."""
    if not is_as(source, target):
        target.unlink(missing_ok=True)
        take_over(source, target)


def main(argv: Sequence[str]) -> int:
    """Make the joined folder; what of it is there stays."""
    parser = command("campaign.join", __doc__, out="plan.json of the joined folder")
    parser.add_argument("--joined", type=Path, required=True, help="file with what is joined, by campaign.joining")
    arguments = parser.parse_args(argv)
    joined, out = read_json(arguments.joined), arguments.out.parent
    folders = [one["folder"] for one in joined["plan"]["campaign"]["joined"]["folders"]]
    write_json(out / JOINED, {"schema_version": SCHEMA_VERSION, "folders": folders})
    for source, target in joined["launched"]:
        take_over(Path(source), Path(target))
    for source, target in joined["documents"]:
        renew(Path(source), Path(target))
    write_json(out / "environment.json", joined["environment"])
    write_json(out / LOOKS, joined["looks"])
    write_json(arguments.out, joined["plan"])
    print("\n".join(joined["remarks"]))
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(exit_status(main, sys.argv[1:]))
