"""An image from envs/Containerfile on a made-up base, run by podman, and by charliecloud in the place of apptainer.

Needs root, the packages podman, runc, charliecloud and mmdebstrap, and a network the first time: then podman has the
layers.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
BASE = "localhost/benchmark-runner-base"
IMAGE = "localhost/benchmark-runner-test"
LOCKS = "ctranslate2-bench"
PROGRAMS = ("podman", "ch-run", "mmdebstrap")
# runc and these limits: what podman needs as root in a container or a small virtual machine.
ALLOWED = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
PODMAN = ("podman", "--runtime", "runc")
# A network that looks into its traffic has its own certificate, which the build must know as this machine does.
CERTIFICATES = Path("/etc/ssl/certs")

APPTAINER = """\
#!/bin/bash
# Stands in for apptainer: its `exec` by charliecloud, as root, with the folders that apptainer mounts by itself.
if [ "$1" = --version ]; then echo "apptainer version 1.3.4"; exit; fi
shift
folders=(/tmp)
while :; do
    case $1 in
        --home | --bind) folders+=("$2"); shift 2 ;;
        --nv) shift ;;
        *) break ;;
    esac
done
image=$1
shift
for folder in "${folders[@]}"; do
    mkdir -p "$image$folder"  # the image is read-only to charliecloud
    mounts+=(--bind "$folder:$folder")
done
export APPTAINER_CONTAINER=$image USER=${USER:-root}
exec ch-run --set-env="$image/environment" "${mounts[@]}" --cd "$PWD" "$image" -- "$@"
"""


def lacks() -> str | None:
    """What this machine lacks to make and run the image, with the remedy; None where it has all."""
    if os.geteuid() != 0:
        return "a container for tests needs root here, as podman is called with limits of its own"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        packages = "podman runc charliecloud mmdebstrap"
        return f"{', '.join(missing)} missing; on Debian: apt-get install --no-install-recommends {packages}"
    return None


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
    return done.stdout


def _has(image: str) -> bool:
    return subprocess.run([*PODMAN, "image", "exists", image], check=False).returncode == 0


def make_image(folder: Path) -> None:
    """Build the image of a base without a registry of images: Debian's own packages, fetched as apt does here."""
    if not _has(BASE):
        base = folder / "base.tar"
        packages = "ca-certificates,git,python3,python3-venv"
        _run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", "bookworm", base])
        _run([*PODMAN, "import", base, BASE])
        base.unlink()
    words = [
        "--build-arg",
        f"BASE={BASE}",
        "--build-arg",
        f"LOCKS={LOCKS}",
        "--volume",
        f"{CERTIFICATES}:{CERTIFICATES}:ro",
    ]
    for name in ("PIP_CERT", "SSL_CERT_FILE"):
        words += ["--env", f"{name}={CERTIFICATES}/ca-certificates.crt"]
    _run([*PODMAN, "build", "--network", "host", *ALLOWED, *words, "--tag", IMAGE, REPOSITORY / "envs"])


@contextlib.contextmanager
def mounted_image(folder: Path) -> Iterator[Path]:
    """The image as a folder, which apptainer takes as it takes a .sif file; what is written there is forgotten."""
    lower = _run([*PODMAN, "image", "mount", IMAGE]).split()[-1]
    upper, work, merged = (folder / name for name in ("upper", "work", "merged"))
    for made in (upper, work, merged):
        made.mkdir(parents=True)
    _run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", merged])
    try:
        variables = _run([*PODMAN, "image", "inspect", "--format", "{{range .Config.Env}}{{println .}}{{end}}", IMAGE])
        (merged / "environment").write_text(variables.strip() + "\n", encoding="utf-8")
        yield merged
    finally:
        _run(["umount", merged])
        _run([*PODMAN, "image", "unmount", IMAGE])


def stand_in(folder: Path) -> Path:
    """A folder for the PATH with the program apptainer."""
    folder.mkdir()
    program = folder / "apptainer"
    program.write_text(APPTAINER, encoding="utf-8")
    program.chmod(0o755)
    return folder


def podman_run(folders: Sequence[Path], command: Sequence[str], options: Sequence[str] = ()) -> list[str]:
    """Command line that runs a command in the image, with these folders and no network."""
    mounts = [word for folder in folders for word in ("--volume", f"{folder}:{folder}")]
    return [*PODMAN, "run", "--rm", "--network", "none", *ALLOWED, *mounts, *options, IMAGE, *command]


def image_python() -> str:
    """Version of the Python that stages have inside."""
    call = [
        *PODMAN,
        "run",
        "--rm",
        "--network",
        "none",
        *ALLOWED,
        IMAGE,
        "python",
        "-c",
        "import platform as p; print(p.python_version())",
    ]
    return _run(call).split()[-1]
